using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Text;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Http;

[Collection(nameof(MemoryMeasured))]
public sealed class DoorsFuzzTests(ITestOutputHelper output)
{
    private const int Rounds = 4_000;
    private const int LargeRounds = 60;
    private const long GrowthMax = 1L << 30;

    /// <summary>Set to run the rounds of another seed again.</summary>
    private const string SeedVariable = "DOORS_FUZZ_SEED";

    private static readonly string[] Paths =
        ["/batch/", "/capture/", "/e/", "/i/v0/e/", "/track", "/engage/", "/flags/", "/webhooks/posthog", "/array/x/config"];

    private static readonly string[] Queries =
        ["", "?beacon=1", "?compression=gzip", "?compression=lz64", "?data=%7B%00&_=x", "?data=%ff%fe", "?_=99999999999999999999&sent_at=", "?&&=&data"];

    private static readonly string[] Bodies =
    [
        """{"event":"e","distinct_id":"d","token":"phc_public","properties":{"a":"\ud800\u0000"}}""",
        """{"api_key":"phc_public","batch":[{"event":"e","distinct_id":"d"}]}""",
        """{"event":{"event":"e","distinct_id":7,"uuid":"x"}}""",
        "data=eyJldmVudCI6ImUifQ%3D%3D&compression=base64",
    ];

    private static readonly string[] Odd = ["\r", "\u00ff", "ünï", "a, b", "*", "null", "gzip", "application/x-www-form-urlencoded", "%00"];

    [Fact]
    public async Task No_request_is_answered_with_500()
    {
        var (seed, random) = Seeded();
        await using var host = await DoorsHost.StartAsync();
        var seen = new Dictionary<HttpStatusCode, int>();
        for (var round = 0; round < Rounds; round++)
        {
            using var request = Request(random);
            using var answer = await host.Client.SendAsync(request);
            var status = answer.StatusCode;
            seen[status] = seen.GetValueOrDefault(status) + 1;
            Assert.True((int)status < 500, $"seed {seed}, round {round}: {(int)status}");
        }

        Assert.True(seen.GetValueOrDefault(HttpStatusCode.OK) > Rounds / 20, $"seed {seed}: hardly anything was accepted");
        Assert.True(
            seen.GetValueOrDefault(HttpStatusCode.BadRequest) > Rounds / 20, $"seed {seed}: hardly anything was refused");
    }

    [Fact]
    public async Task Large_and_hostile_bodies_have_an_answer_and_take_bounded_memory()
    {
        var (seed, random) = Seeded();
        await using var host = await DoorsHost.StartAsync();
        var bodies = Hostile();
        var before = Resident();
        var peak = before;
        for (var round = 0; round < bodies.Count + LargeRounds; round++)
        {
            var (name, path, body, expected) = bodies[round < bodies.Count ? round : random.Next(bodies.Count)];
            var sent = body;
            if (round >= bodies.Count)
            {
                sent = [.. body];
                sent[random.Next(sent.Length)] ^= (byte)(1 << random.Next(8));
            }

            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(sent) };
            request.Headers.TransferEncodingChunked = random.Next(4) == 0;
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + DoorsHost.Secret);
            using var answer = await host.Client.SendAsync(request);
            var status = (int)answer.StatusCode;
            Assert.True(status < 500, $"seed {seed}, round {round}, {name}: {status}");
            if (round < bodies.Count)
                Assert.True(status == expected, $"{name}: {status} instead of {expected}");
            peak = Math.Max(peak, Resident());
        }

        output.WriteLine($"{(peak - before) >> 20} MiB");
        Assert.InRange(peak - before, 0, GrowthMax);
    }

    private static List<(string Name, string Path, byte[] Body, int Status)> Hostile()
    {
        var lying = Gzip(Event("1"));
        lying[^1] ^= 1;
        return
        [
            ("gzip", "/batch/", Gzip(Event("1")), 200),
            ("gzip cut short", "/batch/", Gzip(Event("1"))[..^9], 400),
            ("gzip with a wrong size", "/batch/", lying, 400),
            ("bomb over the limit", "/batch/", Gzip(Event("1"), spaces: 150 << 20), 413),
            ("bomb under the limit", "/batch/", Gzip(Event("1"), spaces: 99 << 20), 200),
            ("100,000 levels", "/batch/", Bytes(Event(new string('[', 100_000) + new string(']', 100_000))), 400),
            ("100,000 levels left open", "/e/", Bytes(Event(new string('[', 100_000))), 400),
            ("100,000 levels in a webhook", "/webhooks/posthog", Bytes(Webhook(new string('[', 100_000))), 400),
            ("duplicate names", "/e/", Bytes(Event("1", string.Concat(Enumerable.Repeat("\"event\":\"x\",", 50_000)))), 200),
            ("a number of 10,000 digits", "/e/", Bytes(Event(new string('9', 10_000))), 400),
            ("a fraction of 10,000 digits", "/e/", Bytes(Event("0." + new string('9', 10_000))), 200),
            ("10,000 digits in a webhook", "/webhooks/posthog", Bytes(Webhook(new string('9', 10_000))), 200),
            ("a million names", "/batch/", Bytes(Event("1", Names(1_000_000))), 200),
            ("a million names, in gzip", "/batch/", Gzip(Event("1", Names(1_000_000))), 200),
            ("a small event and a million names", "/batch/", Bytes($"[{Event("1")},{Event("1", Names(1_000_000))}]"), 200),
            ("lone surrogates", "/e/", Bytes(Event("\"\\ud800\\udfff\\udc00 \\ud83d\"")), 200),
            ("lone surrogates in a webhook", "/webhooks/posthog", Bytes(Webhook("\"\\udc00\"")), 200),
            ("escaped NUL", "/e/", Bytes(Event("\"\\u0000\"", "\"\\u0000\":\"\\u0000\",")), 200),
            ("raw NUL", "/e/", Bytes(Event("\"\0\"")), 400),
            ("nothing but NUL", "/e/", new byte[1 << 20], 400),
        ];
    }

    private static string Event(string value, string fields = "") =>
        "{" + fields + $"\"event\":\"e\",\"distinct_id\":\"d\",\"token\":\"{DoorsHost.Token}\",\"properties\":{{\"v\":{value}}}}}";

    private static string Webhook(string value) => "{\"event\":" + Event(value) + "}";

    private static string Names(int count) => string.Concat(Enumerable.Range(0, count).Select(i => $"\"k{i}\":{i},"));

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Gzip(string text, int spaces = 0)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Optimal))
        {
            var block = Bytes(new string(' ', 1 << 20));
            for (var written = 0; written < spaces; written += block.Length)
                gzip.Write(block);
            gzip.Write(Bytes(text));
        }

        return target.ToArray();
    }

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private (int Seed, Random Random) Seeded()
    {
        var given = Environment.GetEnvironmentVariable(SeedVariable);
        var seed = given is null ? 20260301 : int.Parse(given, CultureInfo.InvariantCulture);
        output.WriteLine($"{SeedVariable}={seed}");
        return (seed, new Random(seed));
    }

    private static HttpRequestMessage Request(Random random)
    {
        var body = random.Next(8) == 0 ? Gzip(Pick(random, Bodies)) : Encoding.UTF8.GetBytes(Pick(random, Bodies));
        if (random.Next(2) == 0)
            body[random.Next(body.Length)] ^= (byte)(1 << random.Next(8));

        var method = random.Next(8) == 0 ? HttpMethod.Options : HttpMethod.Post;
        var request = new HttpRequestMessage(method, Pick(random, Paths) + Pick(random, Queries))
        {
            Content = new ByteArrayContent(body[..random.Next(random.Next(2) == 0 ? 0 : body.Length, body.Length + 1)]),
        };
        request.Headers.TransferEncodingChunked = random.Next(4) == 0;
        request.Headers.TryAddWithoutValidation("Authorization", random.Next(2) == 0 ? "Bearer " + DoorsHost.Secret : Pick(random, Odd));
        foreach (var name in new[] { "Origin", "Access-Control-Request-Headers" })
        {
            if (random.Next(2) == 0)
                request.Headers.TryAddWithoutValidation(name, Printable(Pick(random, Odd)));
        }

        foreach (var name in new[] { "Content-Type", "Content-Encoding" })
        {
            if (random.Next(2) == 0)
                request.Content.Headers.TryAddWithoutValidation(name, Printable(Pick(random, Odd)));
        }

        return request;
    }

    /// <summary>What the client is able to send; the server sees bytes above 127 all the same.</summary>
    private static string Printable(string value) => value.Replace("\r", "");

    private static string Pick(Random random, string[] values) => values[random.Next(values.Length)];
}
