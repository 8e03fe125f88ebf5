using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using Xunit;
using static VarianceActors.Pipeline.Tests.Delivery.GateSetup;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>Which lanes are in memory, and which are shelved.</summary>
public sealed class DeliveryLanesTests
{
    private const int BackfillMax = 8;
    private static readonly TimeSpan WaitMax = TimeSpan.FromHours(1);
    private static readonly RetryPlaces Retries = new(_ => true, _ => { });

    [Fact]
    public void Lanes_that_wait_for_a_shelved_one_do_not_keep_it_out()
    {
        var lanes = new DeliveryLanes(new SliceChanges(), suspectsMax: 8, BackfillMax, WaitMax, Retries);
        for (var lane = 1UL; lane <= 3; lane++)
        {
            lanes.Restore(new HeldLane(lane, 6, 100 + (long)lane, History: null, IsBackfill: false, IsWanted: true));
        }

        lanes.Restore(new HeldLane(9, 1, 50, History: null, IsBackfill: true, IsWanted: false));
        foreach (var lane in lanes.TakeToLoad(Noon, committed: 0, lanesMax: 3))
        {
            lanes.Load(lane.Key, [Mark(lane.Key), .. Enumerable.Range(0, 5).Select(place => Backfill(lane.Key, 10 + place))]);
            lanes.Begin(lane);
            lanes.Block(lanes.TakeMark()!, Noon);
        }

        Assert.Equal(3, lanes.Blocked.Count);
        Assert.Equal([9UL], lanes.TakeToLoad(Noon, committed: 9, lanesMax: 3).Select(lane => lane.Key));
    }

    [Fact]
    public void A_shelved_lane_that_live_traffic_waits_behind_comes_first_also_after_a_restart()
    {
        var lanes = new DeliveryLanes(new SliceChanges(), suspectsMax: 8, BackfillMax, WaitMax, Retries);
        lanes.Restore(new HeldLane(1, 1, 10, History: null, IsBackfill: true, IsWanted: false));
        lanes.Restore(new HeldLane(2, 1, 11, History: null, IsBackfill: true, IsWanted: false));
        lanes.Restore(new HeldLane(3, 2, 12, History: null, IsBackfill: true, IsWanted: true));
        lanes.Add(Live(2, 20));

        Assert.Equal(3, lanes.Shelved);
        Assert.Equal([3UL], lanes.TakeToLoad(Noon, committed: 0, lanesMax: 1).Select(lane => lane.Key));
        Assert.Equal([2UL, 1UL], lanes.TakeToLoad(Noon, committed: 9, lanesMax: 2).Select(lane => lane.Key));
    }

    [Theory]
    [InlineData(60, false)]
    [InlineData(61, true)]
    public void No_lane_waits_for_longer_than_the_longest_pause_if_the_clock_was_turned_back(int minutes, bool isTaken)
    {
        var lanes = new DeliveryLanes(new SliceChanges(), suspectsMax: 8, BackfillMax, WaitMax, Retries);
        var history = new LaneHistory(1, Noon, Noon, null, TimeSpan.FromSeconds(1), Noon.AddMinutes(minutes));
        lanes.Restore(new HeldLane(1, 1, 10, history, IsBackfill: false, IsWanted: true));
        Assert.Equal(isTaken, lanes.TakeToLoad(Noon, committed: 0, lanesMax: 1).Count == 1);
    }

    private static OutboxEntry Mark(ulong lane) =>
        Live(lane, 5) with { Barrier = new LaneBarrier(Wakes: null, (0, 1)) };

    private static OutboxEntry Backfill(ulong lane, long position) => Live(lane, position) with { IsBackfill = true };

    private static OutboxEntry Live(ulong lane, long position) => new(
        position, lane, Guid.NewGuid(), 0, Closes: true, Noon, new OutboundMessage(MessageKind.Track, "id", new byte[10]));
}
