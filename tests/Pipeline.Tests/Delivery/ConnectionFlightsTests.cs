using VarianceActors.Pipeline.Delivery;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>Who of a connection's slices may begin a request.</summary>
public sealed class ConnectionFlightsTests
{
    private readonly ConnectionFlights _flights = new(max: 10, backfillPercent: 20);
    private readonly List<RoomWaiter> _called = [];

    [Fact]
    public void Backfill_has_all_the_room_while_nobody_else_waits_and_gives_it_up_to_its_share_when_others_do()
    {
        var (live, backfill) = (Waiter(isBackfill: false), Waiter(isBackfill: true));
        Assert.Equal(10, Enter(backfill));
        Assert.False(_flights.TryEnter(live));

        for (var left = 0; left < 8; left++)
        {
            _flights.Leave(isBackfill: true);
            Assert.Equal([live], Called());
            Assert.True(_flights.TryEnter(live));
            Assert.False(_flights.TryEnter(live));
        }

        _flights.Leave(isBackfill: true);
        Assert.Equal([backfill], Called());
        _flights.PassOn(); // it does not take the room
        Assert.Equal([live], Called());
    }

    [Fact]
    public void Live_traffic_gives_backfill_its_share()
    {
        var (live, backfill) = (Waiter(isBackfill: false), Waiter(isBackfill: true));
        Assert.Equal(10, Enter(live));
        Assert.False(_flights.TryEnter(backfill));
        _flights.Leave(isBackfill: false);
        Assert.Equal([backfill], Called());
    }

    [Fact]
    public void One_place_goes_from_one_kind_to_the_other()
    {
        var flights = new ConnectionFlights(max: 1, backfillPercent: 20);
        var (live, backfill) = (Waiter(isBackfill: false), Waiter(isBackfill: true));
        Assert.True(flights.TryEnter(live));
        Assert.False(flights.TryEnter(backfill));
        Assert.False(flights.TryEnter(live));
        flights.Leave(isBackfill: false);
        Assert.Equal([backfill], Called());
        Assert.True(flights.TryEnter(backfill));
        flights.Leave(isBackfill: true);
        Assert.Equal([live], Called());
    }

    [Fact]
    public void Who_is_gone_is_not_called_and_keeps_nobody_out()
    {
        var (live, backfill) = (Waiter(isBackfill: false), Waiter(isBackfill: true));
        Enter(backfill);
        Assert.False(_flights.TryEnter(live));
        live.IsGone = true;
        _flights.Leave(isBackfill: true);
        Assert.Equal([backfill], Called());
    }

    [Fact]
    public void Who_is_tried_again_leaves_others_a_quarter_of_the_room_and_three_quarters_when_they_wait()
    {
        var flights = new ConnectionFlights(max: 8, backfillPercent: 20);
        var (live, retry) = (Waiter(isBackfill: false), Waiter(isBackfill: false));
        for (var place = 0; place < 6; place++)
        {
            Assert.True(flights.TryRetry(retry));
            Assert.True(flights.TryEnter(live));
        }

        Assert.False(flights.TryRetry(retry));
        Assert.True(flights.TryEnter(live));
        Assert.True(flights.TryEnter(live));
        Assert.False(flights.TryEnter(live));

        for (var left = 0; left < 4; left++)
        {
            flights.EndRetry(isBackfill: false); // the request goes on
            Assert.Empty(Called());
        }

        flights.EndRetry(isBackfill: false);
        Assert.Equal([retry], Called());
        Assert.True(flights.TryRetry(retry));
    }

    [Fact]
    public void Backfill_that_is_tried_again_leaves_places_to_live_traffic_and_does_not_wait_for_it_in_turn()
    {
        var flights = new ConnectionFlights(max: 16, backfillPercent: 20);
        var (live, backfill) = (Waiter(isBackfill: false), Waiter(isBackfill: true));
        Assert.True(flights.TryRetry(backfill));
        Assert.True(flights.TryRetry(backfill));
        Assert.False(flights.TryRetry(backfill));
        for (var place = 2; place < 12; place++)
        {
            Assert.True(flights.TryRetry(live));
        }

        Assert.False(flights.TryRetry(live));
        flights.EndRetry(isBackfill: false);
        Assert.Equal([live], Called());
        flights.EndRetry(isBackfill: true);
        Assert.Equal([backfill], Called());
    }

    /// <summary>How often there was room; the last time there was none, and it waits.</summary>
    private int Enter(RoomWaiter waiter)
    {
        var entered = 0;
        while (_flights.TryEnter(waiter))
        {
            entered++;
        }

        return entered;
    }

    private List<RoomWaiter> Called()
    {
        var called = _called.ToList();
        _called.Clear();
        return called;
    }

    private RoomWaiter Waiter(bool isBackfill) => new(isBackfill, _called.Add);
}
