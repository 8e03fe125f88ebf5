using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Host.Tests.People;

/// <summary>What the timeline tells of a person, through the doors and the API.</summary>
public class TimelineTests
{
    [Fact]
    public async Task Once_the_project_is_known_a_person_has_the_uuid_that_it_has_at_PostHog()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions(Hocon: $"variance.connections.{PipelineHarness.Connection}.identity.project-id = 42"));
        await pipeline.CaptureAsync(new
        {
            @event = "$identify",
            distinct_id = "ada",
            properties = new Dictionary<string, object> { ["$anon_distinct_id"] = "device" },
        });
        await pipeline.SettledAsync();
        await pipeline.RestartAsync();

        using var answer = await pipeline.ApiAsync("persons/device/timeline");
        var told = await answer.Content.ReadFromJsonAsync<JsonElement>();
        var uuid = new Guid("a528cb43-95bb-5968-9ba8-538fa8769cd6"); // version 5 of 42:ada in PostHog's namespace
        Assert.Equal(uuid, told.GetProperty("person_id").GetGuid());
        Assert.Equal(uuid, told.GetProperty("decisions")[0].GetProperty("person_id").GetGuid());
        Assert.Equal(uuid, (await pipeline.PersonAsync("ada"))!.Value.GetProperty("person_id").GetGuid());
    }

    [Fact]
    public async Task Births_merges_and_repeats_are_told_in_order_with_whose_value_won()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var merge = Guid.NewGuid();
        await Settle(pipeline, Seen("dev", new { plan = "free", cart = 3, city = "Bern" }));
        await Settle(pipeline, Seen("acc", new { plan = "pro", city = "Rome" }));
        await Settle(pipeline, Identify("acc", "dev", merge, new { city = "Oslo" }));
        await Settle(pipeline, Identify("acc", "dev", Guid.NewGuid(), new { }));
        await Settle(pipeline, Identify("acc", "late", Guid.NewGuid(), new { }));

        var timeline = await Timeline(pipeline, "dev");
        var told = timeline.GetProperty("decisions").EnumerateArray().ToArray();

        Assert.Equal(
            ["created first_event", "created first_event", "merged both_ids_had_a_person",
                "same both_ids_had_this_person", "attached source_had_no_person"],
            told.Select(Words));
        Assert.Equal(["dev", "acc", "acc", "acc", "acc"], told.Select(one => Text(one, "distinct_id")));
        Assert.Equal(merge, told[2].GetProperty("event").GetGuid());
        Assert.Equal(("dev", "acc"), (Text(told[2], "source_id"), Text(told[2], "target_id")));
        Assert.Equal("acc", Text(told[2], "became_identified"));
        Assert.Equal(JsonValueKind.Null, told[3].GetProperty("became_identified").ValueKind);
        Assert.Equal(Text(told[1], "person_id"), Text(told[2], "person_id"));
        Assert.Equal(Text(told[0], "person_id"), Text(told[2], "absorbed_person_id"));
        Assert.Equal(Text(timeline, "person_id"), Text(told[2], "person_id"));
        Assert.Equal(
            ["""city event "Oslo" "Bern" "Rome" """, """plan target "pro" "free" "pro" """],
            told[2].GetProperty("conflicts").EnumerateArray().Select(Conflict).Where(one => one[0] is not '$'));
        Assert.Equal(["late"], told[4].GetProperty("joined_ids").EnumerateArray().Select(id => id.GetString()));
    }

    [Fact]
    public async Task A_refusal_is_told_once_to_both_persons_and_survives_a_restart()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await Settle(pipeline, Identify("ann", "ann-dev", Guid.NewGuid(), new { }));
        await Settle(pipeline, Identify("bob", "bob-dev", Guid.NewGuid(), new { }));
        var refused = Guid.NewGuid();
        await Settle(pipeline, Identify("ann", "bob", refused, new { }));
        await pipeline.RestartAsync();

        foreach (var id in new[] { "ann", "bob-dev" })
        {
            var told = (await Timeline(pipeline, id)).GetProperty("decisions").EnumerateArray().ToArray();
            Assert.Equal(["created neither_id_had_a_person", "refused already_identified"], told.Select(Words));
            Assert.Equal(refused, told[1].GetProperty("event").GetGuid());
        }

        var dangerous = new
        {
            uuid = Guid.NewGuid(),
            @event = "$merge_dangerously",
            distinct_id = "ann",
            properties = new { alias = "bob" },
        };
        await Settle(pipeline, dangerous);
        var all = (await Timeline(pipeline, "bob")).GetProperty("decisions").EnumerateArray().ToArray();
        Assert.Equal(4, all.Length);
        Assert.Single(all, one => Text(one, "result") == "refused");
        Assert.Equal("merged both_ids_had_a_person", Words(all[3]));
    }

    [Fact]
    public async Task Nobody_has_no_timeline()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        using var answer = await pipeline.ApiAsync("persons/ghost/timeline");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    private static object Seen(string id, object set) =>
        new { @event = "seen", distinct_id = id, properties = new Dictionary<string, object> { ["$set"] = set } };

    private static object Identify(string id, string anonymous, Guid uuid, object set) => new
    {
        uuid,
        @event = "$identify",
        distinct_id = id,
        properties = new Dictionary<string, object> { ["$anon_distinct_id"] = anonymous, ["$set"] = set },
    };

    private static async Task Settle(PipelineHarness pipeline, object happening)
    {
        await pipeline.CaptureAsync(happening);
        await pipeline.SettledAsync();
    }

    private static async Task<JsonElement> Timeline(PipelineHarness pipeline, string id)
    {
        using var answer = await pipeline.ApiAsync($"persons/{id}/timeline");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    private static string Words(JsonElement decision) => $"{Text(decision, "result")} {Text(decision, "reason")}";

    private static string Conflict(JsonElement conflict) =>
        $"{Text(conflict, "property")} {Text(conflict, "winner")} {conflict.GetProperty("value").GetRawText()} "
        + $"{conflict.GetProperty("source_value").GetRawText()} {conflict.GetProperty("target_value").GetRawText()} ";

    private static string? Text(JsonElement of, string name) => of.GetProperty(name).GetString();
}
