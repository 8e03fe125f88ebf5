using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Identity;

/// <summary>Random traffic with merges, failures and restarts, and what Variance holds in the end. Set VARIANCE_SEED to play
/// one seed again, VARIANCE_SEEDS to play more than the ordinary number.</summary>
public sealed class SimulatedVarianceTests(ITestOutputHelper output)
{
    private const int SeedsInTheOrdinaryRun = 3;
    private const int Humans = 25;
    private const int Requests = 60;
    private const int EventsPerRequestMax = 8;
    private const string Separator = ": ";
    private static readonly string[] Accounts = ["north", "south"];
    private static readonly string[] Traits = ["name", "plan", "city", "$role"];

    public static TheoryData<int> Seeds() => Number("VARIANCE_SEED") is { } one
        ? [one]
        : [.. Enumerable.Range(1, Number("VARIANCE_SEEDS") ?? SeedsInTheOrdinaryRun)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task It_holds_one_contact_per_identified_person_with_that_persons_traits_and_no_other(int seed)
    {
        var random = new Random(seed);
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions());
        pipeline.Variance.Answer = message => ValueTask.FromResult(Moody(seed, message.Sequence));
        var restart = random.Next(Requests);
        for (var request = 0; request < Requests; request++)
        {
            await pipeline.CaptureAsync(
                [.. Enumerable.Range(0, random.Next(1, EventsPerRequestMax + 1)).Select(_ => Event(random))]);
            pipeline.Clock.Advance(TimeSpan.FromMilliseconds(random.Next(1000)));
            if (request == restart)
            {
                await pipeline.RestartAsync();
            }
        }

        await TurnUntilSettledAsync(pipeline);
        var received = pipeline.Variance.Received;
        var model = VarianceModel.Of(received);
        var identified = (await PersonsAsync(pipeline)).Where(person => person.GetProperty("is_identified").GetBoolean())
            .ToList();
        output.WriteLine(
            $"seed {seed}: {received.Length} attempts, {received.Count(message => message.Status == 200)} taken, "
            + $"{received.Count(message => message.Type == "alias")} aliases, {identified.Count} contacts");
        var expected = identified.Select(Contact).Order(StringComparer.Ordinal).ToList();
        var held = model.Contacts.Select(contact => Contact(contact.Key, contact.Value)).Order(StringComparer.Ordinal).ToList();
        foreach (var id in expected.Except(held).Concat(held.Except(expected)).Select(IdOf).Distinct())
        {
            Tell(id, received);
        }

        Assert.Equal(expected, held);
        Assert.Equal(Accounts, model.Accounts.Keys.Order(StringComparer.Ordinal));
        foreach (var account in Accounts)
        {
            await AccountIsAsItShouldBeAsync(pipeline, account, identified, model.Accounts[account]);
        }

        Assert.Equal(0, (await pipeline.LedgerAsync())["dead"]);
    }

    [Fact]
    public async Task It_never_hears_an_older_state_of_a_person_after_a_newer_one_however_many_ids_speak_at_once()
    {
        const int People = 20;
        const int Ids = 6;
        const int Rounds = 40;
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions());
        foreach (var person in Enumerable.Range(0, People))
        {
            await pipeline.CaptureAsync(
                [.. Enumerable.Range(1, Ids - 1).Select(id => Event("$create_alias", $"p{person}", [], ("alias", $"p{person}-{id}")))]);
        }

        await pipeline.SettledAsync();
        await Parallel.ForAsync(0, Ids, async (id, _) =>
        {
            foreach (var round in Enumerable.Range(1, Rounds))
            {
                await pipeline.CaptureAsync([.. Enumerable.Range(0, People).Select(person => Event(
                    "$set", id == 0 ? $"p{person}" : $"p{person}-{id}", new() { [$"n{id}"] = round }))]);
            }
        });
        await TurnUntilSettledAsync(pipeline);

        foreach (var contact in pipeline.Variance.Received.Where(message => message.Type == "identify")
            .GroupBy(message => message.Body.GetProperty("userId").GetString()))
        {
            foreach (var id in Enumerable.Range(0, Ids))
            {
                var told = contact.Select(message => message.Body.GetProperty("traits"))
                    .Select(traits => traits.TryGetProperty($"n{id}", out var round) ? round.GetInt32() : 0)
                    .ToList();
                Assert.Equal(told.Order(), told);
                Assert.Equal(Rounds, told[^1]);
            }
        }
    }

    private static async Task AccountIsAsItShouldBeAsync(
        PipelineHarness pipeline,
        string key,
        IEnumerable<JsonElement> identified,
        SortedDictionary<string, string> held)
    {
        using var answer = await pipeline.ApiAsync($"accounts/{key}");
        var account = await answer.Content.ReadFromJsonAsync<JsonElement>();
        var members = account.GetProperty("contacts").EnumerateArray()
            .Where(contact => contact.GetProperty("rule").ValueKind is JsonValueKind.String)
            .Select(contact => contact.GetProperty("user_id").GetString());
        var expected = identified
            .Where(person => person.GetProperty("account") is { ValueKind: JsonValueKind.Object } link
                && link.GetProperty("id").GetString() == key)
            .Select(person => person.GetProperty("user_id").GetString());

        Assert.Equal(expected.Order(StringComparer.Ordinal), members.Order(StringComparer.Ordinal));
        Assert.Equal(account.GetProperty("properties").GetProperty("seats").GetRawText(), held["seats"]);
    }

    /// <summary>What was said of a contact that is not as it should be, in the order of arrival.</summary>
    private void Tell(string id, IEnumerable<ReceivedMessage> received)
    {
        output.WriteLine($"about {id}:");
        foreach (var message in received.Where(message => message.Body.GetRawText().Contains($"\"{id}\"")))
        {
            output.WriteLine($"  {message.Sequence} {message.Status} {message.Body.GetRawText()}");
        }
    }

    private static StandInAnswer Moody(int seed, int sequence) => new Random((seed * 1_000_003) + sequence).Next(10) switch
    {
        0 => new StandInAnswer(500),
        1 => new StandInAnswer(429, RetryAfter: "1"),
        2 => new StandInAnswer(0, Reset: true),
        _ => StandInAnswer.Ok,
    };

    private static object Event(Random random) => random.Next(100) switch
    {
        < 25 => Event("order placed", Anonymous(random), Set(random)),
        < 35 => Event("$pageview", Anonymous(random), []),
        < 50 => Event("order placed", User(random), Set(random)),
        < 53 => Event("$set", User(random), [], ("$unset", new[] { Traits[random.Next(Traits.Length)] })),
        < 60 => Event("$set", random.Next(2) == 0 ? User(random) : Anonymous(random), Set(random)),
        < 80 => Event("$identify", User(random), Set(random), ("$anon_distinct_id", Anonymous(random))),
        < 85 => Event("$identify", User(random), Set(random), ("$anon_distinct_id", User(random))), // refused, as a rule
        < 90 => Event("$create_alias", Anonymous(random), [], ("alias", User(random))),
        < 93 => Event("$merge_dangerously", User(random), [], ("alias", User(random))),
        < 95 => Event(
            "order placed",
            User(random),
            [],
            ("$groups", new { company = Accounts[random.Next(Accounts.Length)] })),
        < 97 => Group(random, random.Next(2) == 0 ? User(random) : Anonymous(random)),
        _ => Group(random, ""),
    };

    private static object Group(Random random, string distinctId)
    {
        var key = Accounts[random.Next(Accounts.Length)];
        return Event(
            "$groupidentify",
            distinctId.Length > 0 ? distinctId : $"$company_{key}",
            [],
            ("$group_type", "company"),
            ("$group_key", key),
            ("$group_set", new Dictionary<string, object> { ["seats"] = random.Next(9) }));
    }

    private static object Event(
        string name, string distinctId, Dictionary<string, object> set, params (string Name, object Value)[] others)
    {
        var properties = others.ToDictionary(other => other.Name, other => other.Value);
        if (set.Count > 0)
        {
            properties["$set"] = set;
        }

        return new { uuid = Guid.NewGuid(), @event = name, distinct_id = distinctId, properties };
    }

    private static Dictionary<string, object> Set(Random random) => Enumerable.Range(0, random.Next(3))
        .Select(_ => Traits[random.Next(Traits.Length)])
        .Distinct()
        .ToDictionary(name => name, _ => (object)random.Next(1000));

    private static string Anonymous(Random random) => Anonymous(random.Next(Humans), random.Next(3));

    private static string User(Random random) => User(random.Next(Humans));

    private static string Anonymous(int human, int device) => $"device-{human}-{device}";

    private static string User(int human) => $"user-{human}";

    private static async Task<IEnumerable<JsonElement>> PersonsAsync(PipelineHarness pipeline)
    {
        var ids = Enumerable.Range(0, Humans)
            .SelectMany(human => Enumerable.Range(0, 3).Select(device => Anonymous(human, device)).Append(User(human)));
        var persons = await Task.WhenAll(ids.Select(pipeline.PersonAsync));
        return persons.OfType<JsonElement>().DistinctBy(person => person.GetProperty("person_id").GetGuid());
    }

    private static string IdOf(string contact) => contact[..contact.IndexOf(Separator, StringComparison.Ordinal)];

    private static string Contact(JsonElement person) => Contact(
        person.GetProperty("user_id").GetString()!,
        person.GetProperty("properties").EnumerateObject()
            .Where(property => !property.Name.StartsWith('$'))
            .Select(property => KeyValuePair.Create(property.Name, property.Value.GetRawText()))
            .Concat(Company(person))
            .OrderBy(trait => trait.Key, StringComparer.Ordinal));

    private static IEnumerable<KeyValuePair<string, string>> Company(JsonElement person) =>
        person.GetProperty("account") is { ValueKind: JsonValueKind.Object } account
            ? [new("company", $$"""{"id":"{{account.GetProperty("id").GetString()}}"}""")]
            : [];

    private static string Contact(string id, IEnumerable<KeyValuePair<string, string>> traits) =>
        $"{id}{Separator}{string.Join(' ', traits.Select(trait => $"{trait.Key}={trait.Value}"))}";

    private static Task TurnUntilSettledAsync(PipelineHarness pipeline) => PipelineHarness.UntilAsync(
        async () =>
        {
            pipeline.Clock.Advance(TimeSpan.FromMilliseconds(500));
            return await pipeline.WaitingAsync() == 0;
        },
        "nothing is pending");

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
}
