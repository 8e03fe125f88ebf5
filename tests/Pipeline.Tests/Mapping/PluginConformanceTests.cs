using System.Text.Json.Nodes;
using VarianceActors.Pipeline.Mapping;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Mapping;

public sealed class PluginConformanceTests
{
    [Theory]
    [InlineData("cases.jsonl", 400)]
    [InlineData("fixtures.jsonl", 8)]
    public void Every_recorded_event_becomes_the_body_that_the_original_sent(string file, int count)
    {
        var failures = new List<string>();
        int seen = 0;
        foreach (string line in File.ReadLines(Path.Combine("Conformance", "plugin", file)))
        {
            seen++;
            var recorded = JsonNode.Parse(line)!;
            if (recorded["threw"] is not null)
                continue;
            var sent = MappingEvents.WithoutLibrary(recorded["sent"]);
            var body = MappingEvents.Body(PluginMapping.Map(MappingEvents.Webhook(recorded["event"]!.ToJsonString())));
            if (!JsonNode.DeepEquals(sent, body))
                failures.Add($"{file}:{seen} expected {sent?.ToJsonString()} but was {body?.ToJsonString()}");
        }

        Assert.Empty(failures);
        Assert.Equal(count, seen);
    }

    [Fact]
    public void An_event_that_the_original_lost_becomes_the_body_of_the_same_event_with_a_url_but_without_search()
    {
        int rescued = 0;
        foreach (string line in File.ReadLines(Path.Combine("Conformance", "plugin", "cases.jsonl")))
        {
            var recorded = JsonNode.Parse(line)!;
            if (recorded["threw"] is null)
                continue;
            rescued++;
            var captured = recorded["event"]!;
            string url = captured["properties"]!["$current_url"]!.GetValue<string>();
            var body = MappingEvents.Body(PluginMapping.Map(MappingEvents.Webhook(captured.ToJsonString())));
            captured["properties"]!["$current_url"] = "https://acme.test/";
            var sibling = MappingEvents.Body(PluginMapping.Map(MappingEvents.Webhook(captured.ToJsonString())))!;
            sibling["context"]!["page"]!["url"] = url;
            sibling["context"]!["page"]!.AsObject().Remove("search");
            if (sibling["type"]!.GetValue<string>() == "page")
                sibling["properties"]!["url"] = url;
            Assert.True(JsonNode.DeepEquals(sibling, body), body?.ToJsonString());
        }

        Assert.True(rescued > 0);
    }

    [Fact]
    public void The_body_names_this_program_under_the_originals_spelling()
    {
        var outcome = PluginMapping.Map(MappingEvents.Captured("order completed", "user-1"));

        var library = JsonNode.Parse(outcome.Messages.Single().Body.Span)!["libary"]!;
        Assert.Equal("variance-actors", library["name"]!.GetValue<string>());
        Assert.Matches(@"^\d+\.\d+\.\d+$", library["version"]!.GetValue<string>());
    }
}
