using VarianceActors.Pipeline.Delivery;
using Xunit;
using static VarianceActors.Pipeline.Tests.Delivery.GateSetup;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>How many permits a gate gives, to how many slices, and when.</summary>
public sealed class GateRateTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(200, 20, 60, 1)]
    [InlineData(200, 100, 60, 2)]
    [InlineData(7, 3, 60, 3)]
    [InlineData(1, 1, 60, 4)]
    [InlineData(5_000, 500, 10, 5)]
    public void No_second_sees_more_than_rate_and_burst_and_a_backlog_uses_all_of_the_rate(
        int perSecond, int burst, int seconds, int seed)
    {
        var random = new Random(seed);
        var sent = Play(Gate(perSecond, burst), random, seconds, slices: 8, (gate, now) => { });
        AssertNoWindowAbove(sent, perSecond + burst);
        var whole = sent.Count(at => at < Noon.AddSeconds(seconds));
        Assert.True(whole >= 0.98 * perSecond * (seconds - 1), $"{whole} of {perSecond * seconds} were used");
    }

    [Theory]
    [InlineData(200, 100)]
    [InlineData(20, 40)]
    [InlineData(10, 10)]
    public void After_quiet_times_no_second_sees_more_than_rate_and_burst_either(int perSecond, int burst)
    {
        var sent = Play(
            Gate(perSecond, burst), new Random(6), 120, slices: 8, (_, _) => { }, now => (now - Noon).TotalSeconds % 10 > 6);
        AssertNoWindowAbove(sent, perSecond + burst);
        Assert.Contains(
            sent.Zip(sent.Skip((perSecond + burst) / 2)), pair => pair.Item2 - pair.Item1 < Second / 2); // a burst was used
    }

    [Fact]
    public void A_rate_that_is_changed_while_running_holds_from_then_on()
    {
        var sent = Play(Gate(100, 10), new Random(1), 20, slices: 4, (gate, now) =>
        {
            if (now >= Noon.AddSeconds(10) && gate.Tell().PerSecond == 100)
            {
                gate.ChangeRate(new Rate(20, 10), now);
            }
        });
        AssertNoWindowAbove([.. sent.Where(at => at < Noon.AddSeconds(10))], 110);
        var slow = sent.Where(at => at >= Noon.AddSeconds(10.2)).ToList();
        AssertNoWindowAbove(slow, 30);
        Assert.InRange(slow.Count, 0.97 * 20 * 9.8, (20 * 9.8) + 10); // a change loses what was granted and not used
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_clock_that_is_turned_back_stops_nothing_and_gives_no_more_than_the_rate(bool adaptive)
    {
        var gate = Gate(10, 1, adaptive);
        gate.Hear(Report(live: 1_000), Noon);
        var given = 0;
        for (var step = 0; step < 100; step++)
        {
            var hours = step < 50 ? 0 : -1;
            given += gate.Pump(Noon.AddSeconds(step / 10.0).AddHours(hours)).Sum(one => one.Permits.Live.Length);
        }

        Assert.InRange(given, 95, 101);
    }

    [Fact]
    public void A_reduced_rate_rises_again_although_the_clock_was_turned_back()
    {
        var gate = Gate(100, 10, adaptive: true);
        gate.Hear(Report(live: 1, failed: 1, throttled: 1), Noon);
        Assert.Equal(50, gate.Tell().CurrentPerSecond);
        gate.Pump(Noon.AddHours(-1));
        gate.Pump(Noon.AddHours(-1).AddSeconds(10));
        Assert.Equal(55, gate.Tell().CurrentPerSecond);
    }

    [Fact]
    public void A_quiet_time_saves_up_a_burst_and_no_more()
    {
        var gate = Gate(10, 40);
        var later = Noon.AddHours(1);
        gate.Hear(Report(live: 1000), later);
        var permits = Assert.Single(gate.Pump(later)).Permits;
        Assert.Equal(39, permits.Live.Count(wait => wait == 0)); // one is kept back for a late machine
    }

    [Fact]
    public void A_new_gate_has_saved_up_nothing()
    {
        var gate = Gate(10, 40);
        gate.Hear(Report(live: 1000), Noon);
        Assert.Empty(gate.Pump(Noon));
    }

    [Fact]
    public void Permits_that_were_not_used_may_be_used_later()
    {
        var gate = Gate(10, 40);
        var later = Noon.AddHours(1);
        gate.Hear(Report(live: 39), later);
        var epoch = gate.Pump(later)[0].Permits.Epoch;
        gate.Hear(Report(live: 39, unused: 30, epoch: epoch), later);
        Assert.InRange(Assert.Single(gate.Pump(later)).Permits.Live.Length, 30, 31);
    }

    [Fact]
    public void Without_a_limit_everybody_gets_what_they_ask_for_at_once()
    {
        var gate = Gate(perSecond: 0);
        gate.Hear(Report(partition: 3, live: 64, backfill: 2), Noon);
        var permits = Assert.Single(gate.Pump(Noon)).Permits;
        Assert.Equal((64, 2, true), (permits.Live.Count(wait => wait == 0), permits.Backfill.Length, permits.IsPlenty));
    }

    [Fact]
    public void A_scarce_rate_is_shared_by_all_slices_that_need_it()
    {
        var gate = Gate(10, 1);
        var got = new int[4];
        for (var now = Noon; now < Noon.AddSeconds(40); now += TimeSpan.FromMilliseconds(20))
        {
            foreach (var slice in Enumerable.Range(0, 4))
            {
                gate.Hear(Report(slice, live: 64), now);
            }

            foreach (var (slice, permits) in gate.Pump(now))
            {
                got[slice] += permits.Live.Length;
            }
        }

        Assert.All(got, one => Assert.InRange(one, 97, 103));
    }

    [Fact]
    public void Backfill_gets_its_share_while_others_wait_and_everything_when_none_does()
    {
        var gate = Gate(100, 1);
        var (live, backfill) = Take(gate, 10, live: 64, backfill: 64, from: Noon);
        Assert.InRange(backfill, 0.18 * (live + backfill), 0.2 * (live + backfill));
        var alone = Take(gate, 10, live: 0, backfill: 64, from: Noon.AddSeconds(10));
        Assert.InRange(alone.Backfill, 980, 1010);
    }

    [Fact]
    public void An_adaptive_rate_falls_when_the_receiver_says_so_and_slowly_comes_back()
    {
        var gate = Gate(100, 10, adaptive: true);
        gate.Hear(Report(taken: 1, failed: 5, throttled: 5), Noon);
        Assert.Equal(50, gate.Tell().CurrentPerSecond);
        gate.Hear(Report(failed: 1, throttled: 1), Noon.AddMilliseconds(500));
        Assert.Equal(50, gate.Tell().CurrentPerSecond); // one cut a second: those were under way before
        gate.Hear(Report(failed: 1, throttled: 1), Noon.AddSeconds(1));
        Assert.Equal(25, gate.Tell().CurrentPerSecond);
        for (var seconds = 2; gate.PumpAt(Noon.AddSeconds(seconds)) is not null; seconds++)
        {
            gate.Pump(Noon.AddSeconds(seconds));
            Assert.InRange(gate.Tell().CurrentPerSecond, 25, Math.Max(25, 25 + (5 * ((seconds - 1) / 10))));
        }

        Assert.Equal(100, gate.Tell().CurrentPerSecond);
    }

    /// <summary>Slices that always have work, in steps of some milliseconds: they use permits late, or lose them.</summary>
    private static List<DateTimeOffset> Play(
        ConnectionGate gate,
        Random random,
        int seconds,
        int slices,
        Action<ConnectionGate, DateTimeOffset> meanwhile,
        Func<DateTimeOffset, bool>? isBusy = null)
    {
        var sent = new List<DateTimeOffset>();
        var held = Enumerable.Range(0, slices).Select(_ => new HeldPermits()).ToArray();
        for (var now = Noon; now < Noon.AddSeconds(seconds); now += TimeSpan.FromMilliseconds(random.Next(1, 12)))
        {
            meanwhile(gate, now);
            for (var slice = 0; slice < slices && isBusy?.Invoke(now) != false; slice++)
            {
                var isAway = random.Next(20) == 0;
                while (!isAway && held[slice].TryUse(backfill: false, now))
                {
                    sent.Add(now);
                }

                held[slice].DropExpired(now);
                var (live, unused) = (64 - held[slice].Count(backfill: false), held[slice].TakeUnused());
                gate.Hear(Report(slice, live, unused: unused, epoch: held[slice].UnusedEpoch), now);
            }

            foreach (var (slice, permits) in gate.Pump(now))
            {
                if (permits.IsRevoked)
                {
                    held[slice].DropAll();
                }

                held[slice].Add(permits, now);
            }
        }

        return sent;
    }

    private static (int Live, int Backfill) Take(ConnectionGate gate, int seconds, int live, int backfill, DateTimeOffset from)
    {
        var got = (Live: 0, Backfill: 0);
        for (var now = from; now < from.AddSeconds(seconds); now += TimeSpan.FromMilliseconds(50))
        {
            gate.Hear(Report(live: live, backfill: backfill), now);
            foreach (var (_, permits) in gate.Pump(now))
            {
                got = (got.Live + permits.Live.Length, got.Backfill + permits.Backfill.Length);
            }
        }

        return got;
    }

    private static void AssertNoWindowAbove(List<DateTimeOffset> sent, int most)
    {
        for (var first = 0; first < sent.Count - most; first++)
        {
            var window = sent[first + most] - sent[first];
            Assert.True(window >= Second, $"{most + 1} within {window.TotalMilliseconds} ms from {sent[first]:ss.fff}");
        }
    }
}
