using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace VarianceActors.Benchmarks;

/// <summary>
/// Requests as posthog-js sends them: events of 1 to 4 KB, 30 % of them anonymous, 5 % <c>$identify</c> or <c>$create_alias</c>,
/// 3 % <c>$groupidentify</c>. Bodies are written once; what is asked for is a copy with the numbers of its events and persons
/// put in, so that whoever sends leaves the processor to whoever is measured. Each event has its number in its uuid.
/// </summary>
internal sealed class Traffic
{
    /// <summary>What every uuid begins with; twelve hexadecimal digits follow, the number.</summary>
    public const string UuidPrefix = "0198c2a0-5555-7000-8000-";

    private const int Kinds = 400;
    private const string NumberMark = "~~~~~~~~~~~~";
    private const string PersonMark = "^^^^^^^^";
    private static readonly string[] Pages = ["/", "/pricing", "/docs", "/reports/pipeline", "/settings/team"];

    private readonly int _perRequest;
    private readonly int _persons;
    private readonly Template[] _templates;

    private Traffic(string token, int perRequest, int persons, Action<Utf8JsonWriter, int> write)
    {
        (_perRequest, _persons) = (perRequest, persons);
        _templates = [.. Enumerable.Range(0, Templates(perRequest))
            .Select(template => new Template(Body(token, template * perRequest, perRequest, write), perRequest))];
    }

    /// <summary>The path that its requests go to.</summary>
    public string Path => _perRequest == 1 ? "i/v0/e/" : "batch/";

    /// <summary>Traffic of some kind: <c>mixed</c>, <c>devices</c> and <c>users</c> (one page view of each), <c>merges</c>
    /// (<c>$identify</c> of a user and a device that have the same number), <c>new-merges</c> (the same of others).</summary>
    public static Traffic Of(string kind, string token, int perRequest, int persons) => new(token, perRequest, persons, kind switch
    {
        "mixed" => WriteMixed,
        "devices" => (writer, _) => WriteBare(writer, "$pageview", "device-" + PersonMark),
        "users" => (writer, _) => WriteBare(writer, "$pageview", "user-" + PersonMark),
        "merges" => (writer, _) => WriteBare(writer, "$identify", "user-" + PersonMark, "device-" + PersonMark),
        "new-merges" => (writer, _) => WriteBare(writer, "$identify", "new-user-" + PersonMark, "new-device-" + PersonMark),
        _ => throw new ArgumentException($"There is no traffic '{kind}'.", nameof(kind)),
    });

    /// <summary>Whether an event of the mixed traffic is a <c>$create_alias</c>: with <c>contacts</c> it may have no message of its
    /// own, only the alias and identify that follow from it.</summary>
    public static bool IsAlias(long number, int perRequest) =>
        PlaceOf((int)((number / perRequest % Templates(perRequest) * perRequest) + (number % perRequest))) == 0;

    /// <summary>The body of the request that begins with an event.</summary>
    /// <param name="first">The number of the first event; a multiple of the events of a request.</param>
    public byte[] Request(long first) =>
        _templates[first / _perRequest % _templates.Length].Fill(first, number => number * 7919 % _persons);

    private static int Templates(int perRequest) => Math.Max(1, Kinds / perRequest);

    /// <summary>A number below 100 that says what an event is: the kinds are mixed, and each has its share.</summary>
    private static int PlaceOf(int kind) => kind * 37 % 100;

    private static byte[] Body(string token, int first, int events, Action<Utf8JsonWriter, int> write)
    {
        var buffer = new ArrayBufferWriter<byte>(events * 3000);
        using var writer = new Utf8JsonWriter(buffer);
        writer.WriteStartObject();
        writer.WriteString("api_key", token);
        if (events == 1)
        {
            write(writer, first);
        }
        else
        {
            writer.WriteStartArray("batch");
            for (var kind = first; kind < first + events; kind++)
            {
                writer.WriteStartObject();
                write(writer, kind);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteHead(Utf8JsonWriter writer, string name, string distinctId)
    {
        writer.WriteString("uuid", UuidPrefix + NumberMark);
        writer.WriteString("event", name);
        writer.WriteString("distinct_id", distinctId);
        writer.WriteString("timestamp", "2026-03-01T09:00:00.000Z");
        writer.WriteStartObject("properties");
    }

    private static void WriteBare(Utf8JsonWriter writer, string name, string distinctId, string? anonymous = null)
    {
        WriteHead(writer, name, distinctId);
        if (anonymous is not null)
        {
            writer.WriteString("$anon_distinct_id", anonymous);
            writer.WriteStartObject("$set");
            writer.WriteString("email", $"{PersonMark}@example.com");
            writer.WriteString("plan", "pro");
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private static void WriteMixed(Utf8JsonWriter writer, int kind)
    {
        var place = PlaceOf(kind);
        var isAnonymous = place >= 70;
        var distinctId = isAnonymous ? "0198c2a0-4444-7000-8000-0000" + PersonMark : "user-" + PersonMark;
        var name = place switch
        {
            0 => "$create_alias",
            < 5 => "$identify",
            < 8 => "$groupidentify",
            _ => kind % 3 == 0 ? "report opened" : "$pageview",
        };
        WriteHead(writer, name, distinctId);
        writer.WriteString("token", "phc_bench");
        writer.WriteString("distinct_id", distinctId);
        switch (name)
        {
            case "$create_alias":
                writer.WriteString("alias", "legacy-" + PersonMark);
                break;
            case "$identify":
                writer.WriteString("$anon_distinct_id", "0198c2a0-1111-7000-8000-0000" + PersonMark);
                WritePerson(writer);
                break;
            case "$groupidentify":
                WriteGroup(writer, kind);
                break;
            default:
                writer.WriteString("plan", "business");
                writer.WriteNumber("rows", kind);
                break;
        }

        WriteBrowser(writer, kind, isAnonymous);
        writer.WriteEndObject();
    }

    private static void WritePerson(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("$set");
        writer.WriteString("email", $"ada.{PersonMark}@company-{PersonMark}.com");
        writer.WriteString("name", "Ada Lovelace");
        writer.WriteString("plan", "business");
        writer.WriteEndObject();
        writer.WriteStartObject("$set_once");
        writer.WriteString("$initial_referrer", "https://www.google.com/");
        writer.WriteString("$initial_current_url", "https://app.example.com/?utm_source=newsletter");
        writer.WriteEndObject();
    }

    private static void WriteGroup(Utf8JsonWriter writer, int kind)
    {
        writer.WriteString("$group_type", "company");
        writer.WriteString("$group_key", $"company-{kind % 50}");
        writer.WriteStartObject("$group_set");
        writer.WriteString("name", $"Company {kind % 50}");
        writer.WriteNumber("seats", kind % 20);
        writer.WriteEndObject();
    }

    private static void WriteBrowser(Utf8JsonWriter writer, int kind, bool isAnonymous)
    {
        var page = Pages[kind % Pages.Length];
        writer.WriteString("$browser", "Chrome");
        writer.WriteNumber("$browser_version", 133);
        writer.WriteString("$os", "Mac OS X");
        writer.WriteString("$device_type", "Desktop");
        writer.WriteString("$current_url", $"https://app.example.com{page}?tab=overview&ref={kind % 17}");
        writer.WriteString("$host", "app.example.com");
        writer.WriteString("$pathname", page);
        writer.WriteString("$referrer", "https://www.google.com/");
        writer.WriteString("$referring_domain", "www.google.com");
        writer.WriteNumber("$screen_height", 1117);
        writer.WriteNumber("$screen_width", 1728);
        writer.WriteString("$lib", "web");
        writer.WriteString("$lib_version", "1.418.10");
        writer.WriteString("$device_id", $"0198c2a0-1111-7000-8000-0000{PersonMark}");
        writer.WriteString("$session_id", $"0198c2a0-2222-7000-8000-0000{PersonMark}");
        writer.WriteBoolean("$is_identified", !isAnonymous);
        writer.WriteString(
            "$raw_user_agent",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36");
        writer.WriteStartArray("$active_feature_flags");
        for (var flag = 0; flag < kind * 13 % 45; flag++)
        {
            writer.WriteStringValue($"feature-flag-number-{flag}");
        }

        writer.WriteEndArray();
        for (var flag = 0; flag < kind * 13 % 45; flag++)
        {
            writer.WriteBoolean($"$feature/feature-flag-number-{flag}", flag % 2 == 0);
        }
    }

    /// <summary>A body, and where the numbers stand in it.</summary>
    private sealed class Template
    {
        private readonly byte[] _body;
        private readonly List<(int At, int Event)> _numbers = [];
        private readonly List<(int At, int Event)> _persons = [];

        public Template(byte[] body, int events)
        {
            _body = body;
            var uuids = Places(body, UuidPrefix + NumberMark);
            _numbers.AddRange(uuids.Select((at, index) => (at + UuidPrefix.Length, index)));
            foreach (var at in Places(body, PersonMark))
            {
                _persons.Add((at, Math.Max(0, uuids.FindLastIndex(uuid => uuid < at))));
            }

            if (uuids.Count != events)
            {
                throw new InvalidOperationException("A body has another number of events than it was written with.");
            }
        }

        public byte[] Fill(long first, Func<long, long> personOf)
        {
            var body = _body.AsSpan().ToArray();
            foreach (var (at, index) in _numbers)
            {
                (first + index).TryFormat(body.AsSpan(at, NumberMark.Length), out _, "x12", CultureInfo.InvariantCulture);
            }

            foreach (var (at, index) in _persons)
            {
                personOf(first + index)
                    .TryFormat(body.AsSpan(at, PersonMark.Length), out _, "d8", CultureInfo.InvariantCulture);
            }

            return body;
        }

        private static List<int> Places(byte[] body, string mark)
        {
            var (places, sought) = (new List<int>(), Encoding.ASCII.GetBytes(mark));
            for (var at = body.AsSpan().IndexOf(sought); at >= 0;)
            {
                places.Add(at);
                var next = body.AsSpan(at + sought.Length).IndexOf(sought);
                at = next < 0 ? -1 : at + sought.Length + next;
            }

            return places;
        }
    }
}
