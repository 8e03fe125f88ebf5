using System.Collections.Immutable;
using System.Text.Json.Nodes;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Tests.People;

/// <summary>One line of the conformance scenarios: PostHog's behaviour, recorded.</summary>
internal sealed record Scenario(string Id, ImmutableArray<CaptureEvent> Events, JsonObject Expected)
{
    public static IEnumerable<Scenario> All() =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Conformance", "identity", "scenarios.jsonl"))
            .Select(line => JsonNode.Parse(line)!.AsObject())
            .Select(line => new Scenario(
                line["id"]!.GetValue<string>(),
                [.. line["events"]!.AsArray().Select(e => Captured.Event(e!.AsObject()))],
                line["expect"]!.AsObject()));

    public static Scenario Named(string id) => All().Single(scenario => scenario.Id == id);

    /// <summary>What was expected, one sorted line a person or warning.</summary>
    public IEnumerable<string> Lines() =>
        Expected["persons"]!.AsArray().Select(person => Line(
                person!["distinct_ids"]!.AsArray().Select(id => id!.GetValue<string>()),
                person["properties"]!.AsObject(),
                person["is_identified"]!.GetValue<bool>(),
                person["created_at"]?.GetValue<DateTimeOffset>()))
            .Concat(Expected["warnings"]!.AsArray().Select(warning =>
                $"warning {warning!["type"]!.GetValue<string>()} at {warning["event"]!.GetValue<int>()}"))
            .Order(StringComparer.Ordinal);

    /// <summary>What came out, in the same form.</summary>
    public IEnumerable<string> Lines(
        IEnumerable<PersonSnapshot> persons,
        IEnumerable<(string Type, int Event)> warnings)
    {
        var tellsBirths = Expected["persons"]!.AsArray().Any(person => person!["created_at"] is not null);
        return persons
            .DistinctBy(person => person.PersonUuid)
            .Select(person => Line(
                person.DistinctIds,
                Object(person),
                person.IsIdentified,
                tellsBirths ? person.CreatedAt : null))
            .Concat(warnings.Select(warning => $"warning {warning.Type} at {warning.Event}"))
            .Order(StringComparer.Ordinal);
    }

    /// <summary>Every id that the scenario names, as the door leaves it.</summary>
    public IEnumerable<string> Ids() => Events
        .Select(captured => captured.DistinctId)
        .Concat(Events.Select(captured => EventReading.Of(captured).Merge?.SourceId).OfType<string>())
        .Distinct();

    private static JsonObject Object(PersonSnapshot person)
    {
        var properties = new JsonObject();
        foreach (var (name, value) in person.Properties)
        {
            if (name != PersonProperties.CreatorEventUuid)
            {
                properties[name] = JsonNode.Parse(value.Json);
            }
        }

        return properties;
    }

    private static string Line(IEnumerable<string> ids, JsonObject properties, bool identified, DateTimeOffset? created)
    {
        var sorted = properties
            .OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => $"{pair.Key}={pair.Value?.ToJsonString() ?? "null"}");
        var names = string.Join(',', ids.Order(StringComparer.Ordinal));
        return $"person [{names}] {{{string.Join(' ', sorted)}}} identified={identified} created={created:O}";
    }
}
