using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Views;

/// <summary>
/// Random traffic with merges, splits, moves between accounts and restarts, one after the other and all at once. Who is who is
/// asked of the persons themselves; what happened is counted here, from what was sent. The views must equal both, row by row.
/// </summary>
public class ViewsModelTests(ITestOutputHelper output)
{
    private const int Rounds = 8;
    private static readonly string[] Names = ["report", "$pageview", "paid"];
    private static readonly string[] Groups = ["acme", "beta", "core"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Views_equal_a_plain_model_of_the_same_events(int seed)
    {
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true, Hocon: """
            variance.views.lag = "00:00:00.001"
            variance.connections.acme.stages {
              contacts = ["lead: always", "warm: event 'paid' at least 2 times", "customer: plan = 'pro'"]
              contact-policy = free
              accounts = ["prospect: always", "growing: at least 2 contacts (plan exists)", "large: seats >= 5"]
              account-policy = free
            }
            """));
        var model = new Model(random, pipeline.Clock.GetUtcNow());
        var story = new Story();
        for (var round = 0; round < Rounds; round++)
        {
            await model.MoveAsync(pipeline, async () => story.Note(await LiveAsync(pipeline, model.Ids)));
            if (random.Next(3) == 0)
            {
                await pipeline.RestartAsync();
            }

            var before = await LiveAsync(pipeline, model.Ids);
            await model.ActAsync(pipeline, before);
            var live = await LiveAsync(pipeline, model.Ids);
            story.Note(live);
            await CompareContactsAsync(pipeline, model, live);
            await CompareStoryAsync(pipeline, story, live);
            await CompareAccountsAsync(pipeline, model, live);
            await CompareStagesAsync(pipeline, live);
        }

        Assert.True(model.Splits > 0, "nothing was split: another seed");
        Assert.True(story.Longest > 3, "nobody moved often: another seed");
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task Views_equal_it_also_when_visits_and_merges_come_at_once(int seed)
    {
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true, Hocon: """
            variance.views.lag = "00:00:00.001"
            """));
        var model = new Model(random, pipeline.Clock.GetUtcNow(), devices: 40, users: 30);
        for (var round = 0; round < 3; round++)
        {
            await model.StormAsync(pipeline, events: 150);
            var live = await LiveAsync(pipeline, model.Ids);
            await CompareContactsAsync(pipeline, model, live);
            await CompareStagesAsync(pipeline, live);
        }
    }

    private static async Task CompareContactsAsync(PipelineHarness pipeline, Model model, Dictionary<string, JsonElement> live)
    {
        var contacts = live.Values.Where(person => person.GetProperty("is_identified").GetBoolean())
            .DistinctBy(person => person.GetProperty("person_id").GetGuid()).ToArray();
        foreach (var sort in (string[])["last_seen", "name", "created", "stage"])
        {
            var listed = await AllAsync(pipeline, $"contacts?limit=3&sort={sort}");
            Assert.Equal(
                contacts.Select(person => person.GetProperty("person_id").GetGuid()).Order(),
                listed.Select(item => item.GetProperty("person_id").GetGuid()).Order());
        }

        foreach (var person in contacts)
        {
            var shown = await JsonAsync(pipeline, $"contacts/{person.GetProperty("person_id").GetGuid()}?days=366");
            var ids = Texts(person.GetProperty("distinct_ids"));
            Assert.Equal(ids, Texts(shown.GetProperty("distinct_ids")));

            // A split moves the version of everybody beside the two that come apart, and nothing else of them.
            Assert.InRange(shown.GetProperty("version").GetInt64(), 0, person.GetProperty("version").GetInt64());
            Assert.Equal(
                person.GetProperty("properties").GetRawText(), shown.GetProperty("properties").GetRawText());
            var contact = shown.GetProperty("contact");
            Assert.Equal(person.GetProperty("user_id").GetString(), contact.GetProperty("user_id").GetString());
            Assert.Equal(
                person.GetProperty("account").GetRawText(), contact.GetProperty("account").GetRawText());
            Assert.Equal(Stage(person.GetProperty("stage")), Stage(contact.GetProperty("stage")));
            Assert.Equal(model.DaysOf(ids), Days(shown.GetProperty("activity")));
            Assert.Equal(model.LastSeenOf(ids), Time(contact.GetProperty("last_seen")));
            var events = await AllAsync(pipeline, $"contacts/{ids[0]}/events?limit=50");
            var missing = model.EventsOf(ids).Except(events.Select(one => one.GetProperty("uuid").GetGuid())).ToArray();
            Assert.True(missing.Length == 0, missing.Length == 0 ? "" : (await JsonAsync(pipeline, $"events/{missing[0]}")).GetRawText());
            Assert.Equal(model.EventsOf(ids).Count(), events.Length);
            var membership = shown.GetProperty("accounts").EnumerateArray()
                .Where(one => one.GetProperty("to").ValueKind == JsonValueKind.Null)
                .Select(one => one.GetProperty("account").GetString());
            Assert.Equal(Account(person) is { } account ? [account] : [], membership);
        }
    }

    // Where contacts have been, and in which stages, in order.
    private static async Task CompareStoryAsync(PipelineHarness pipeline, Story story, Dictionary<string, JsonElement> live)
    {
        foreach (var id in live.Values.Where(person => person.GetProperty("is_identified").GetBoolean())
            .Select(person => person.GetProperty("person_id").GetGuid()).Distinct())
        {
            var shown = await JsonAsync(pipeline, $"contacts/{id}");
            var accounts = shown.GetProperty("accounts").EnumerateArray().ToArray();
            Assert.Equal(
                story.AccountsOf(id).OfType<string>(), accounts.Select(one => one.GetProperty("account").GetString()!));
            Assert.All(accounts.SkipLast(1), one => Assert.NotEqual(JsonValueKind.Null, one.GetProperty("to").ValueKind));
            AssertSteps(story.StagesOf(id), shown.GetProperty("moves"));
        }
    }

    private static void AssertSteps(IEnumerable<string?> stages, JsonElement moves)
    {
        var steps = moves.EnumerateArray().ToArray();
        Assert.Equal(stages.SkipWhile(stage => stage is null), steps.Select(step => step.GetProperty("to").GetString()));
        AssertChain(steps);
    }

    // Each step begins where the one before it has ended.
    private static void AssertChain(JsonElement[] steps) => Assert.Equal(
        steps.Select(step => step.GetProperty("to").GetString()).Prepend(null).SkipLast(1),
        steps.Select(step => step.GetProperty("from").GetString()));

    private static async Task CompareAccountsAsync(
        PipelineHarness pipeline, Model model, Dictionary<string, JsonElement> live)
    {
        var listed = await AllAsync(pipeline, "accounts?limit=2");
        var known = live.Values.Where(person => person.GetProperty("is_identified").GetBoolean())
            .Select(person => person.GetProperty("account"))
            .Where(account => account.ValueKind is JsonValueKind.Object)
            .Select(account => account.GetProperty("id").GetString()!);
        Assert.Empty(known.Except(listed.Select(item => item.GetProperty("id").GetString()!)));
        Assert.All(listed, item => Assert.Equal(
            model.LastSeenOfAccount(item.GetProperty("id").GetString()!), Time(item.GetProperty("last_seen"))));
        foreach (var item in listed)
        {
            var id = item.GetProperty("id").GetString()!;
            var account = await JsonAsync(pipeline, $"accounts/{id}?days=366");
            var members = live.Values
                .Where(person => person.GetProperty("is_identified").GetBoolean() && Account(person) == id)
                .DistinctBy(person => person.GetProperty("person_id").GetGuid()).ToArray();
            Assert.Equal((id, members.Length), (id, item.GetProperty("contact_count").GetInt32()));
            Assert.Equal(members.Length, account.GetProperty("contact_count").GetInt32());
            Assert.Equal(
                members.Select(person => person.GetProperty("person_id").GetGuid()).Order(),
                account.GetProperty("memberships").EnumerateArray()
                    .Where(membership => membership.GetProperty("to").ValueKind is JsonValueKind.Null)
                    .Select(membership => membership.GetProperty("person_id").GetGuid()).Order());
            var planned = members.Count(person => person.GetProperty("properties").TryGetProperty("plan", out _));
            var stage = model.SeatsOf(id) >= 5 ? "large" : planned >= 2 ? "growing" : "prospect";
            Assert.Equal((id, stage), (id, item.GetProperty("stage").GetProperty("name").GetString()));
            var steps = account.GetProperty("moves").EnumerateArray().ToArray();
            AssertChain(steps);
            Assert.Equal(stage, steps[^1].GetProperty("to").GetString());
            Assert.Equal(model.DaysOfAccount(id), Days(account.GetProperty("activity").GetProperty("days")));
        }
    }

    private static async Task CompareStagesAsync(PipelineHarness pipeline, Dictionary<string, JsonElement> live)
    {
        var stages = await JsonAsync(pipeline, "stages");
        var ofAccounts = (await AllAsync(pipeline, "accounts?limit=50"))
            .CountBy(item => item.GetProperty("stage") is { ValueKind: JsonValueKind.Object } stage
                ? stage.GetProperty("name").GetString()!
                : "")
            .ToDictionary();
        Assert.All(stages.GetProperty("accounts").EnumerateArray(), stage => Assert.Equal(
            ofAccounts.GetValueOrDefault(stage.GetProperty("stage").GetString() ?? ""), stage.GetProperty("count").GetInt32()));
        var counted = stages.GetProperty("contacts").EnumerateArray()
            .ToDictionary(
                stage => stage.GetProperty("stage").GetString() ?? "", stage => stage.GetProperty("count").GetInt64());
        var held = live.Values.Where(person => person.GetProperty("is_identified").GetBoolean())
            .DistinctBy(person => person.GetProperty("person_id").GetGuid())
            .CountBy(person => person.GetProperty("stage").ValueKind == JsonValueKind.Null
                ? ""
                : person.GetProperty("stage").GetProperty("name").GetString()!)
            .ToDictionary(stage => stage.Key, stage => (long)stage.Value);
        Assert.All(counted, stage => Assert.Equal(held.GetValueOrDefault(stage.Key), stage.Value));
    }

    private static async Task<Dictionary<string, JsonElement>> LiveAsync(PipelineHarness pipeline, IEnumerable<string> ids)
    {
        await pipeline.ViewsSettledAsync();
        var live = new Dictionary<string, JsonElement>();
        foreach (var id in ids)
        {
            if (await pipeline.PersonAsync(id) is { } person)
            {
                live[id] = person;
            }
        }

        return live;
    }

    private static string? Account(JsonElement person) =>
        person.GetProperty("account") is { ValueKind: JsonValueKind.Object } account
            ? account.GetProperty("id").GetString()
            : null;

    private static string? Stage(JsonElement stage) => stage.ValueKind == JsonValueKind.Null
        ? null
        : $"{stage.GetProperty("name")} {stage.GetProperty("rule")} {stage.GetProperty("pinned_by")} "
            + stage.GetProperty("since").GetDateTimeOffset().ToUnixTimeMilliseconds();

    private static string[] Days(JsonElement days) =>
    [
        .. days.EnumerateArray().SelectMany(day => day.GetProperty("by_name").EnumerateObject().Select(name =>
            $"{day.GetProperty("day").GetString()} {name.Name} {name.Value.GetInt64()}")).Order(StringComparer.Ordinal),
    ];

    private static DateTimeOffset? Time(JsonElement time) =>
        time.ValueKind == JsonValueKind.Null ? null : time.GetDateTimeOffset();

    private static string[] Texts(JsonElement texts) => [.. texts.EnumerateArray().Select(text => text.GetString()!)];

    private static async Task<JsonElement> JsonAsync(PipelineHarness pipeline, string path)
    {
        using var answer = await pipeline.ApiAsync(path);
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {await answer.Content.ReadAsStringAsync()}");
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    private static async Task<JsonElement[]> AllAsync(PipelineHarness pipeline, string path)
    {
        var items = new List<JsonElement>();
        var after = "";
        do
        {
            var page = await JsonAsync(pipeline, path + after);
            items.AddRange(page.GetProperty("items").EnumerateArray());
            after = page.GetProperty("next").GetString() is { } next ? $"&after={next}" : "";
        }
        while (after.Length > 0);
        return [.. items];
    }

    /// <summary>Where persons were seen, one after the other.</summary>
    private sealed class Story
    {
        private readonly Dictionary<Guid, List<string?>> _accounts = [];
        private readonly Dictionary<Guid, List<string?>> _stages = [];

        public int Longest => _accounts.Values.Concat(_stages.Values).Max(places => places.Count);

        public List<string?> AccountsOf(Guid person) => _accounts[person];

        public List<string?> StagesOf(Guid person) => _stages[person];

        public void Note(Dictionary<string, JsonElement> live)
        {
            var there = live.Values.DistinctBy(person => person.GetProperty("person_id").GetGuid())
                .ToDictionary(person => person.GetProperty("person_id").GetGuid());
            foreach (var person in there.Keys.Union(_accounts.Keys).ToArray())
            {
                var isThere = there.TryGetValue(person, out var face);
                Add(_accounts, person, isThere ? Account(face) : null);
                Add(_stages, person, isThere && face.GetProperty("stage") is { ValueKind: JsonValueKind.Object } stage
                    ? stage.GetProperty("name").GetString()
                    : null);
            }
        }

        private static void Add(Dictionary<Guid, List<string?>> story, Guid person, string? place)
        {
            if (!story.TryGetValue(person, out var places))
            {
                story[person] = [place];
            }
            else if (places[^1] != place)
            {
                places.Add(place);
            }
        }
    }

    /// <summary>What was sent, and what follows of it for those who count.</summary>
    private sealed class Model(Random random, DateTimeOffset now, int devices = 6, int users = 5)
    {
        private readonly string[] _ids =
        [
            .. Enumerable.Range(0, devices).Select(number => $"device-{number}"),
            .. Enumerable.Range(0, users).Select(number => $"user-{number}"),
        ];

        private readonly List<(string Id, string Name, DateTimeOffset At, string? Account)> _acts = [];
        private readonly List<(string Id, Guid Uuid)> _events = [];
        private readonly List<(string Id, Guid Event)> _merges = [];
        private readonly Dictionary<string, int> _seats = [];

        public IEnumerable<string> Ids => _ids;

        public int Splits { get; private set; }

        /// <summary>Who is who, and where: nothing of it is activity. Looks after each move.</summary>
        public async Task MoveAsync(PipelineHarness pipeline, Func<Task> lookAsync)
        {
            for (var count = 0; count < 6; count++)
            {
                var (user, device) = ($"user-{random.Next(5)}", $"device-{random.Next(6)}");
                var uuid = Guid.NewGuid();
                switch (random.Next(6))
                {
                    case 0 or 1:
                        await SayAsync(pipeline, "$identify", user, uuid, new()
                        {
                            ["$anon_distinct_id"] = device,
                            ["$set"] = new { name = $"N{random.Next(9)}", email = $"{user}@{Groups[random.Next(3)]}.com" },
                        });
                        _merges.Add((user, uuid));
                        break;
                    case 2:
                        await SayAsync(pipeline, "$merge_dangerously", user, uuid, new()
                        {
                            ["alias"] = $"user-{(int.Parse(user[5..], CultureInfo.InvariantCulture) + 1 + random.Next(4)) % 5}",
                        });
                        _merges.Add((user, uuid));
                        break;
                    case 3:
                        await SayAsync(pipeline, "$set", user, uuid, new()
                        {
                            ["$set"] = new { plan = random.Next(2) == 0 ? "pro" : "free" },
                            ["$groups"] = new { company = Groups[random.Next(3)] },
                        });
                        break;
                    case 4:
                        var (group, seats) = (Groups[random.Next(3)], random.Next(9));
                        _seats[group] = seats;
                        await SayAsync(pipeline, "$groupidentify", user, uuid, new()
                        {
                            ["$group_type"] = "company",
                            ["$group_key"] = group,
                            ["$group_set"] = new { seats },
                        });
                        break;
                    default:
                        await SplitAsync(pipeline);
                        break;
                }

                await lookAsync();
            }
        }

        /// <summary>Activity, while nobody moves.</summary>
        public async Task ActAsync(PipelineHarness pipeline, Dictionary<string, JsonElement> live)
        {
            var batch = new List<object>();
            for (var count = 0; count < 25; count++)
            {
                batch.Add(Act(live));
            }

            await pipeline.CaptureAsync([.. batch]);
        }

        /// <summary>Activity and merges, and nobody waits for what came before.</summary>
        public async Task StormAsync(PipelineHarness pipeline, int events)
        {
            var batch = new List<object>();
            for (var count = 0; count < events; count++)
            {
                batch.Add(random.Next(3) == 0 ? Merge() : Act([]));
            }

            await Task.WhenAll(batch.Chunk(30).Select(pipeline.CaptureAsync));
        }

        private object Merge()
        {
            var (user, uuid) = ($"user-{random.Next(users)}", Guid.NewGuid());
            _events.Add((user, uuid));
            var (name, key, other) = random.Next(4) == 0
                ? ("$merge_dangerously", "alias", $"user-{random.Next(users)}")
                : ("$identify", "$anon_distinct_id", $"device-{random.Next(devices)}");
            return new
            {
                @event = name,
                distinct_id = user,
                uuid,
                properties = new Dictionary<string, object> { [key] = other },
            };
        }

        private object Act(Dictionary<string, JsonElement> live)
        {
            var (id, name) = (_ids[random.Next(_ids.Length)], Names[random.Next(Names.Length)]);
            var at = new DateTimeOffset(now.Ticks / 10_000 * 10_000, TimeSpan.Zero)
                .AddMinutes(-random.Next(60 * 24 * 5)).AddMilliseconds(-_acts.Count);
            var uuid = Guid.NewGuid();
            _acts.Add((id, name, at, live.TryGetValue(id, out var person) ? Account(person) : null));
            _events.Add((id, uuid));
            return new
            {
                @event = name,
                distinct_id = id,
                uuid,
                timestamp = at.ToString("O", CultureInfo.InvariantCulture),
                properties = new { },
            };
        }

        public string[] DaysOf(string[] ids) => Days(_acts.Where(act => ids.Contains(act.Id)));

        public int SeatsOf(string account) => _seats.GetValueOrDefault(account);

        public string[] DaysOfAccount(string account) => Days(_acts.Where(act => act.Account == account));

        public DateTimeOffset? LastSeenOf(string[] ids) => Last(_acts.Where(act => ids.Contains(act.Id)));

        public DateTimeOffset? LastSeenOfAccount(string account) => Last(_acts.Where(act => act.Account == account));

        /// <summary>Events that are listed; no id has so many that one is left out.</summary>
        public IEnumerable<Guid> EventsOf(string[] ids) => _events.Where(one => ids.Contains(one.Id)).Select(one => one.Uuid);

        private static string[] Days(IEnumerable<(string Id, string Name, DateTimeOffset At, string? Account)> acts) =>
        [
            .. acts.CountBy(act => $"{act.At:yyyy-MM-dd} {act.Name}").Select(day => $"{day.Key} {day.Value}")
                .Order(StringComparer.Ordinal),
        ];

        private static DateTimeOffset? Last(IEnumerable<(string Id, string Name, DateTimeOffset At, string? Account)> acts) =>
            acts.Select(act => (DateTimeOffset?)act.At).Max();

        private async Task SayAsync(
            PipelineHarness pipeline, string name, string id, Guid uuid, Dictionary<string, object> properties)
        {
            _events.Add((id, uuid));
            await pipeline.CaptureAsync(new { @event = name, distinct_id = id, uuid, properties });
        }

        private async Task SplitAsync(PipelineHarness pipeline)
        {
            if (_merges.Count == 0)
            {
                return;
            }

            await pipeline.SettledAsync();
            var (id, uuid) = _merges[random.Next(_merges.Count)];
            using var answer = await pipeline.ApiAsync(HttpMethod.Post, $"persons/{id}/split", new { @event = uuid });
            Assert.Contains(answer.StatusCode, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.NotFound]);
            Splits += answer.StatusCode == HttpStatusCode.OK ? 1 : 0;
        }
    }
}
