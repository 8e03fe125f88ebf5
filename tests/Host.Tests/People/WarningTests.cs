using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Host.Tests.People;

/// <summary>What operators see of ingestion warnings.</summary>
public sealed class WarningTests
{
    [Fact]
    public async Task Warnings_are_counted_and_listed_by_type_and_page_the_newest_first()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true));
        var first = await IdentifyAsync(pipeline, "acc", "guest");
        var second = await IdentifyAsync(pipeline, "acc", "null");
        var third = await IdentifyAsync(pipeline, "acc", new { not = "an id" });

        var all = await WarningsAsync(pipeline, "");
        var newest = await WarningsAsync(pipeline, "?limit=1");
        var older = await WarningsAsync(pipeline, $"?limit=2&after={newest.GetProperty("next").GetInt64()}");
        var illegal = await WarningsAsync(pipeline, "?type=cannot_merge_with_illegal_distinct_id&limit=2");

        Assert.Equal(
            """{"cannot_merge_with_illegal_distinct_id":2,"invalid_anon_distinct_id":1}""",
            all.GetProperty("totals").GetRawText());
        Assert.Equal([third, second, first], Events(all));
        Assert.Equal([third], Events(newest));
        Assert.Equal([second, first], Events(older));
        Assert.Equal([second, first], Events(illegal));
        Assert.Equal(JsonValueKind.Null, older.GetProperty("next").ValueKind);
        var item = illegal.GetProperty("items")[1];
        Assert.Equal("guest", item.GetProperty("details").GetProperty("illegalDistinctId").GetString());
        Assert.Equal(pipeline.Clock.GetUtcNow(), item.GetProperty("at").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public async Task An_event_shows_its_warnings_also_when_it_is_refused()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true));
        var sent = await IdentifyAsync(pipeline, "acc", "guest");
        var refused = await IdentifyAsync(pipeline, "acc", 42);

        Assert.Equal(("suppressed", "cannot_merge_with_illegal_distinct_id"), await StoryAsync(pipeline, sent));
        Assert.Equal(("refused", "invalid_anon_distinct_id"), await StoryAsync(pipeline, refused));
    }

    [Fact]
    public async Task What_a_guard_of_the_connection_refuses_has_the_guards_name()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true, Hocon: """
            variance.connections.acme.identity {
              attach-unseen = guarded
              distinct-ids-max = 2
              keep-work-domains-apart = on
              blocked-ids = [kiosk]
            }
            """));
        var blocked = await IdentifyAsync(pipeline, "acc", "kiosk");
        await IdentifyAsync(pipeline, "acc", "dev-1");
        var crowded = await IdentifyAsync(pipeline, "acc", "dev-2");
        var unseen = await IdentifyAsync(pipeline, "new", "dev-1");
        await pipeline.CaptureAsync(
            Seen("ada", "ada@acme.test"), Seen("bob", "bob@globex.test"), Seen("eve", "eve@gmail.com"));
        await pipeline.SettledAsync();
        var apart = await IdentifyAsync(pipeline, "ada", "bob");
        var free = await IdentifyAsync(pipeline, "ada", "eve");

        Assert.Equal("guard_blocked_distinct_id", (await StoryAsync(pipeline, blocked)).Warning);
        Assert.Equal("guard_too_many_distinct_ids", (await StoryAsync(pipeline, crowded)).Warning);
        Assert.Equal("guard_attach_to_identified", (await StoryAsync(pipeline, unseen)).Warning);
        Assert.Equal("guard_other_work_domain", (await StoryAsync(pipeline, apart)).Warning);
        Assert.Equal("", (await StoryAsync(pipeline, free)).Warning);
        Assert.Equal(2, (await pipeline.PersonAsync("acc"))!.Value.GetProperty("distinct_ids").GetArrayLength());
    }

    [Fact]
    public async Task Warnings_outlive_a_restart_and_leave_with_the_ledger_while_the_totals_stay()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions(DryRun: true, Hocon: """variance.retention.interval = "00:00:01" """));
        await IdentifyAsync(pipeline, "acc", "guest");
        await pipeline.RestartAsync();
        Assert.Single(Events(await WarningsAsync(pipeline, "")));

        pipeline.Clock.Advance(TimeSpan.FromDays(31));
        await PipelineHarness.UntilAsync(
            async () => Events(await WarningsAsync(pipeline, "")).Length == 0, "the warning is gone");

        Assert.Equal(
            """{"cannot_merge_with_illegal_distinct_id":1}""",
            (await WarningsAsync(pipeline, "")).GetProperty("totals").GetRawText());
    }

    [Fact]
    public async Task A_repeat_of_an_event_is_not_warned_of_again()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true));
        var captured = Identify(Guid.NewGuid(), "acc", "guest");
        await pipeline.CaptureAsync(captured);
        await pipeline.CaptureAsync(captured);
        await pipeline.SettledAsync();

        Assert.Equal(1, (await pipeline.LedgerAsync())["duplicates"]);
        Assert.Single(Events(await WarningsAsync(pipeline, "")));
    }

    [Fact]
    public async Task The_call_is_in_the_OpenAPI_document()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true));

        var document = await pipeline.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json");

        var call = document.GetProperty("paths").GetProperty("/api/v1/connections/{connection}/warnings").GetProperty("get");
        Assert.Equal(
            ["connection", "type", "after", "limit"],
            call.GetProperty("parameters").EnumerateArray().Select(one => one.GetProperty("name").GetString()));
    }

    private static async Task<Guid> IdentifyAsync(PipelineHarness pipeline, string distinctId, object anonymousId)
    {
        var uuid = Guid.NewGuid();
        await pipeline.CaptureAsync(Identify(uuid, distinctId, anonymousId));
        await pipeline.SettledAsync();
        return uuid;
    }

    private static Dictionary<string, object> Identify(Guid uuid, string distinctId, object anonymousId) => new()
    {
        ["event"] = "$identify",
        ["uuid"] = uuid,
        ["distinct_id"] = distinctId,
        ["timestamp"] = "2026-03-01T09:00:00Z",
        ["properties"] = new Dictionary<string, object> { ["$anon_distinct_id"] = anonymousId },
    };

    private static Dictionary<string, object> Seen(string distinctId, string email) => new()
    {
        ["event"] = "seen",
        ["distinct_id"] = distinctId,
        ["properties"] = new Dictionary<string, object> { ["$set"] = new { email } },
    };

    private static async Task<JsonElement> WarningsAsync(PipelineHarness pipeline, string query)
    {
        using var answer = await pipeline.ApiAsync($"warnings{query}");
        return await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>();
    }

    private static async Task<(string? State, string? Warning)> StoryAsync(PipelineHarness pipeline, Guid uuid)
    {
        using var answer = await pipeline.ApiAsync($"events/{uuid}");
        var story = await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>();
        var types = story.GetProperty("warnings").EnumerateArray().Select(warning => warning.GetProperty("type").GetString());
        return (story.GetProperty("state").GetString(), string.Join(' ', types));
    }

    private static Guid[] Events(JsonElement page) =>
        [.. page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("event").GetGuid())];
}
