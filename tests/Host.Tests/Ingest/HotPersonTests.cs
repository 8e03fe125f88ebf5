using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Host.Tests.Ingest;

/// <summary>A distinct id with far more events than a window holds, in one partition with others.</summary>
public sealed class HotPersonTests
{
    private const int EventsPerRequest = 100;

    [Theory]
    [InlineData(1)]
    [InlineData(16)]
    public async Task Everything_arrives_once_and_in_order_however_often_the_window_is_full(int window)
    {
        await using var pipeline = await StartAsync($"variance.ingest.window-events = {window}");
        var random = new Random(window);
        var captured = Enumerable.Range(0, 1_000)
            .Select(number => (DistinctId: random.Next(3) > 0 ? $"hot-{random.Next(3)}" : $"other-{random.Next(40)}", number))
            .ToList();

        foreach (var chunk in captured.Chunk(EventsPerRequest))
        {
            await pipeline.CaptureAsync([.. chunk.Select(one => Event(one.DistinctId, one.number))]);
        }

        await pipeline.SettledAsync();
        var arrived = pipeline.Variance.Received.ToLookup(message => message.Body.GetProperty("anonymousId").GetString()!);
        foreach (var person in captured.GroupBy(one => one.DistinctId))
        {
            Assert.Equal(
                person.Select(one => Uuid(one.number).ToString()), arrived[person.Key].Select(message => message.MessageId));
        }
    }

    [Fact]
    public async Task Others_get_through_while_it_is_at_work()
    {
        await using var pipeline = await StartAsync("variance.ingest.window-events = 64");
        const int ofTheHotPerson = 2_000;
        await pipeline.CaptureAsync([.. Enumerable.Range(0, ofTheHotPerson).Select(number => Event("hot", number))]);
        await pipeline.CaptureAsync(Event("other", ofTheHotPerson));

        await pipeline.SettledAsync();
        var other = pipeline.Variance.Received.Single(message => message.MessageId == Uuid(ofTheHotPerson).ToString());
        Assert.InRange(other.Sequence, 0, ofTheHotPerson / 2);
    }

    private static Task<PipelineHarness> StartAsync(string hocon) => PipelineHarness.StartAsync(new HarnessOptions(
        Mapping: "plugin",
        Hocon: $"""
            variance.inbox.partitions = 1
            variance.connections.{PipelineHarness.Connection}.rate.burst = 1000000
            {hocon}
            """));

    /// <summary>Each other event is one that a person is asked about alone, so that a window drains in small steps.</summary>
    private static object Event(string distinctId, int number) => new
    {
        uuid = Uuid(number),
        @event = number % 2 == 0 ? "$identify" : "order placed",
        distinct_id = distinctId,
        properties = new Dictionary<string, object> { ["$anon_distinct_id"] = distinctId },
    };

    private static Guid Uuid(int number) => new(number, 1, 1, [1, 1, 1, 1, 1, 1, 1, 1]);
}
