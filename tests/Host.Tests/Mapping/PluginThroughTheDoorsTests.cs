using System.Text.Json;
using System.Text.Json.Nodes;
using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Host.Tests.Mapping;

/// <summary>Every recorded case of the original plugin, through the webhook door and the real sink.</summary>
public sealed class PluginThroughTheDoorsTests
{
    [Fact]
    public async Task Every_recorded_case_sends_the_recorded_body_and_nothing_else()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var cases = new[] { "cases.jsonl", "fixtures.jsonl" }
            .SelectMany(file => File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Conformance", "plugin", file)))
            .Select(line => JsonNode.Parse(line)!.AsObject())
            .ToList();
        foreach (var recorded in cases)
        {
            await pipeline.WebhookAsync(recorded["event"]!.ToJsonString());
        }

        await pipeline.SettledAsync();
        var received = pipeline.Variance.Received.ToLookup(message => message.MessageId, message => Plain(message.Body));
        var sentCases = cases.Where(recorded => recorded["sent"] is not null).ToList();
        var rescued = cases.Where(recorded => recorded["threw"] is not null).ToList();
        Assert.All(sentCases, recorded => Assert.Contains(
            received[(string)recorded["sent"]!["messageId"]!],
            body => JsonNode.DeepEquals(body, Plain(recorded["sent"]!.Deserialize<JsonElement>()))));
        Assert.All(rescued, recorded => Assert.NotEmpty(received[(string)recorded["event"]!["uuid"]!]));
        Assert.Equal(sentCases.Count + rescued.Count, pipeline.Variance.Received.Length);
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal(cases.Count, ledger["accepted"]);
        Assert.Equal(sentCases.Count + rescued.Count, ledger["delivered"]);
        Assert.Equal(cases.Count - sentCases.Count - rescued.Count, ledger["filtered"]);
    }

    /// <summary>The body without the values of <c>libary</c>, which are ours; only their presence counts.</summary>
    private static JsonNode Plain(JsonElement body)
    {
        var plain = JsonNode.Parse(body.GetRawText())!;
        var library = plain["libary"]!.AsObject();
        library["name"] = library["name"] is JsonValue;
        library["version"] = library["version"] is JsonValue;
        return plain;
    }
}
