using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using VarianceActors.Harness;
using VarianceActors.Pipeline.People;
using Xunit;

namespace VarianceActors.Host.Tests.Identity;

/// <summary>PostHog's behaviour, recorded, through the capture door, the whole pipeline and the persons API.</summary>
public sealed class ScenariosThroughTheDoorsTests
{
    [Fact]
    public async Task Every_scenario_ends_where_PostHog_ends()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions());
        var scenarios = File
            .ReadLines(Path.Combine(AppContext.BaseDirectory, "Conformance", "identity", "scenarios.jsonl"))
            .Select(line => new Scenario(JsonNode.Parse(line)!.AsObject()))
            .ToList();

        // No two scenarios send through one id, so they run side by side: the first event of each, then the second, ...
        for (var at = 0; at < scenarios.Max(scenario => scenario.Events.Count); at++)
        {
            await Task.WhenAll(scenarios
                .Where(scenario => at < scenario.Events.Count)
                .Select(scenario => CaptureAsync(pipeline, scenario.Events[at])));
            await pipeline.SettledAsync();
        }

        var differences = new List<string>();
        foreach (var scenario in scenarios)
        {
            var elsewhere = scenarios.Except([scenario]).SelectMany(other => other.EventIds);
            var end = await ReadAsync(pipeline, scenario, scenario.Ids.Except(elsewhere));
            if (end != scenario.ExpectedEnd)
            {
                differences.Add($"expected {scenario.ExpectedEnd}\nbut was {end}");
            }
        }

        Assert.True(differences.Count == 0, string.Join('\n', differences));
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal(scenarios.Sum(scenario => scenario.Events.Count), ledger["accepted"]);
        Assert.Equal(ledger["accepted"], ledger.Where(column => column.Key != "accepted").Sum(column => column.Value));
    }

    private static async Task CaptureAsync(PipelineHarness pipeline, JsonObject captured)
    {
        var request = captured.DeepClone().AsObject();
        request["api_key"] = PipelineHarness.Token;
        using var answer = await pipeline.Http.PostAsJsonAsync("/capture", request);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<string> ReadAsync(PipelineHarness pipeline, Scenario scenario, IEnumerable<string> ids)
    {
        var persons = new List<JsonElement>();
        foreach (var id in ids)
        {
            if (await pipeline.PersonAsync(id) is { } person)
            {
                persons.Add(person);
            }
        }

        var warnings = new List<(string Type, int Event)>();
        for (var at = 0; at < scenario.Events.Count; at++)
        {
            using var answer = await pipeline.ApiAsync($"events/{scenario.Events[at]["uuid"]}");
            var story = await answer.Content.ReadFromJsonAsync<JsonElement>();
            warnings.AddRange(story.GetProperty("warnings").EnumerateArray()
                .Select(warning => warning.GetProperty("type").GetString()!)
                .Where(type => type != WarningTypes.DistinctIdTruncated) // the door's, which the file leaves out
                .Select(type => (type, at)));
        }

        return scenario.End(persons, warnings);
    }

    /// <summary>One line of the file: events, and the persons and warnings that PostHog has after them.</summary>
    private sealed class Scenario
    {
        private readonly string _id;
        private readonly JsonObject _expected;

        public Scenario(JsonObject line)
        {
            _id = line["id"]!.GetValue<string>();
            _expected = line["expect"]!.AsObject();
            Events = [.. line["events"]!.AsArray().Select(captured => captured!.AsObject())];
            foreach (var captured in Events)
            {
                captured["uuid"] ??= Guid.NewGuid().ToString();
            }
        }

        public IReadOnlyList<JsonObject> Events { get; }

        /// <summary>Every id that the scenario names. None with NUL: no URL can name it, and no person can have it.</summary>
        public IEnumerable<string> Ids => EventIds
            .Concat(Texts(Events.SelectMany(captured => new[]
            {
                captured["properties"]?["$anon_distinct_id"],
                captured["properties"]?["alias"],
            })))
            .Concat(Texts(_expected["persons"]!.AsArray().SelectMany(person => person!["distinct_ids"]!.AsArray())))
            .Where(id => !string.IsNullOrWhiteSpace(id) && !id.Contains('\0'))
            .Distinct();

        /// <summary>The ids that events are sent through.</summary>
        public IEnumerable<string> EventIds => Texts(Events.Select(captured => captured["distinct_id"]));

        public string ExpectedEnd => Text(
            _expected["persons"]!.AsArray().Select(person => Line(
                person!["distinct_ids"]!.AsArray(),
                person["properties"]!.AsObject(),
                person["is_identified"]!.GetValue<bool>(),
                person["created_at"]?.GetValue<DateTimeOffset>())),
            _expected["warnings"]!.AsArray()
                .Select(warning => (warning!["type"]!.GetValue<string>(), warning["event"]!.GetValue<int>())));

        public string End(IEnumerable<JsonElement> persons, IEnumerable<(string Type, int Event)> warnings)
        {
            var tellsBirths = _expected["persons"]!.AsArray().Any(person => person!["created_at"] is not null);
            return Text(
                persons.DistinctBy(person => person.GetProperty("person_id").GetGuid()).Select(person => Line(
                    JsonArray.Create(person.GetProperty("distinct_ids"))!,
                    JsonObject.Create(person.GetProperty("properties"))!,
                    person.GetProperty("is_identified").GetBoolean(),
                    tellsBirths ? person.GetProperty("created_at").GetDateTimeOffset() : null)),
                warnings);
        }

        private string Text(IEnumerable<string> persons, IEnumerable<(string Type, int Event)> warnings) =>
            string.Join('\n', persons
                .Concat(warnings.Select(warning => $"  {warning.Type} at event {warning.Event}"))
                .Order(StringComparer.Ordinal)
                .Prepend(_id));

        private static IEnumerable<string> Texts(IEnumerable<JsonNode?> ids) => ids
            .OfType<JsonNode>()
            .Select(id => id.GetValueKind() == JsonValueKind.String ? id.GetValue<string>() : id.ToJsonString());

        private static string Line(JsonArray ids, JsonObject properties, bool isIdentified, DateTimeOffset? createdAt)
        {
            var names = ids.Select(id => id!.GetValue<string>()).Order(StringComparer.Ordinal);
            var values = properties
                .Where(property => property.Key != "$creator_event_uuid")
                .OrderBy(property => property.Key, StringComparer.Ordinal)
                .Select(property => $"{property.Key}={property.Value?.ToJsonString() ?? "null"}");
            return $"  [{string.Join(',', names)}] {{{string.Join(' ', values)}}} {isIdentified} {createdAt?.UtcDateTime:O}";
        }
    }
}
