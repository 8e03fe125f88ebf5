using VarianceActors.Pipeline.Delivery;
using Xunit;
using static VarianceActors.Pipeline.Tests.Delivery.GateSetup;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>When a gate gives no permits, why, and when it begins again.</summary>
public sealed class GateBreakerTests
{
    [Fact]
    public void Too_many_failures_of_enough_attempts_open_it()
    {
        var gate = Gate();
        gate.Hear(Report(live: 10, taken: 1, failed: 48, reason: "status-503"), Noon);
        Assert.Equal(DeliveryMode.Running, gate.State.Mode);
        gate.Hear(Report(live: 10, failed: 1, reason: "status-503"), Noon);
        Assert.Equal((DeliveryMode.Open, "status-503"), (gate.State.Mode, gate.State.Reason));
        var revoked = Assert.Single(gate.Pump(Noon)).Permits;
        Assert.True(revoked.IsRevoked);
        Assert.Empty(revoked.Live);
    }

    [Fact]
    public void Without_a_receiver_what_was_kept_for_one_is_kept_until_an_operator_lets_it_go()
    {
        var gate = Gate(perSecond: 5, isDryRun: true, state: GateState.New(Noon) with { Mode = DeliveryMode.Open, ProbeAt = Noon });
        gate.Hear(Report(live: 10), Noon);
        Assert.True(Assert.Single(gate.Pump(Noon.AddHours(1))).Permits.IsRevoked); // that nothing may leave
        Assert.Empty(gate.Pump(Noon.AddHours(1)));

        gate.Resume(ResumeMode.All, null, [], Noon.AddHours(1));
        gate.Hear(Report(live: 10), Noon.AddHours(1));
        Assert.Contains(gate.Pump(Noon.AddHours(1)), allotment => allotment.Permits.Live.Length == 10);
    }

    [Fact]
    public void A_quarter_that_gets_through_keeps_it_closed()
    {
        var gate = Gate();
        for (var second = 0; second < 100; second++)
        {
            gate.Hear(Report(taken: 25, failed: 75), Noon.AddSeconds(second));
        }

        Assert.Equal(DeliveryMode.Running, gate.State.Mode);
    }

    [Fact]
    public void Failures_of_long_ago_do_not_count()
    {
        var gate = Gate();
        for (var minute = 0; minute < 10; minute++)
        {
            gate.Hear(Report(taken: 1, failed: 40), Noon.AddMinutes(minute));
        }

        Assert.Equal(DeliveryMode.Running, gate.State.Mode);
    }

    [Fact]
    public void A_few_failures_in_minutes_open_it_if_nothing_gets_through()
    {
        var gate = Gate();
        for (var number = 1; number < 10; number++)
        {
            gate.Hear(Report(number % 2, live: 1, failed: 1, reason: "status-503"), Noon.AddSeconds(29 * number));
            Assert.Equal(DeliveryMode.Running, gate.State.Mode);
        }

        gate.Hear(Report(0, live: 1, failed: 1, reason: "status-503"), Noon.AddSeconds(290));
        Assert.Equal((DeliveryMode.Open, "status-503"), (gate.State.Mode, gate.State.Reason));
    }

    [Fact]
    public void One_slice_in_which_nothing_gets_through_keeps_it_closed()
    {
        var gate = Gate();
        for (var number = 1; number < 40; number++)
        {
            gate.Hear(Report(live: 1, failed: 1), Noon.AddSeconds(10 * number));
        }

        Assert.Equal(DeliveryMode.Running, gate.State.Mode);
    }

    [Fact]
    public void A_moment_in_which_nothing_gets_through_keeps_it_closed()
    {
        var gate = Gate();
        for (var number = 1; number < 29; number++)
        {
            gate.Hear(Report(number % 8, live: 1, failed: 1), Noon.AddSeconds(number));
        }

        Assert.Equal(DeliveryMode.Running, gate.State.Mode);
    }

    [Fact]
    public void Fewer_failures_keep_a_quiet_one_closed()
    {
        var gate = Gate();
        for (var number = 0; number < 100; number++)
        {
            gate.Hear(Report(number % 2, live: 1, failed: 1), Noon.AddSeconds(40 * number));
        }

        Assert.Equal(DeliveryMode.Running, gate.State.Mode);
    }

    [Fact]
    public void One_message_that_gets_through_now_and_then_keeps_a_quiet_one_closed()
    {
        var gate = Gate();
        for (var number = 0; number < 100; number++)
        {
            gate.Hear(Report(number % 2, live: 1, taken: number % 15 == 0 ? 1 : 0, failed: 1), Noon.AddSeconds(15 * number));
        }

        Assert.Equal(DeliveryMode.Running, gate.State.Mode);
    }

    [Fact]
    public void A_wrong_setup_opens_it_at_once()
    {
        var gate = Gate();
        gate.Hear(Report(taken: 1000), Noon);
        gate.Hear(Report(failed: 1, reason: "status-401", wrongSetup: true), Noon);
        Assert.Equal((DeliveryMode.Open, "status-401"), (gate.State.Mode, gate.State.Reason));
    }

    [Fact]
    public void Half_open_is_exactly_one_permit_for_one_slice_and_the_wait_doubles_with_every_failure()
    {
        var gate = Opened();
        var waits = new List<double>();
        for (var now = Noon; waits.Count < 5; now += TimeSpan.FromMilliseconds(500))
        {
            var granted = Permits(gate, now);
            if (granted.Count == 0)
            {
                continue;
            }

            var (slice, permits) = Assert.Single(granted);
            Assert.Equal((1, true), (permits.Live.Length, permits.IsProbe));
            Assert.Equal(DeliveryMode.HalfOpen, gate.State.Mode);
            Assert.Empty(Permits(gate, now.AddSeconds(1)));
            gate.Hear(Report(slice, live: 9, failed: 1, reason: "timeout", probe: ProbeResult.Failed), now);
            waits.Add((gate.State.ProbeAt!.Value - now).TotalSeconds);
        }

        Assert.Equal([4, 8, 10, 10, 10], waits);
        Assert.Equal(Noon, gate.State.Since);
    }

    [Fact]
    public void A_probe_that_gets_through_closes_it()
    {
        var gate = Opened();
        var (slice, _) = Assert.Single(Permits(gate, Noon.AddSeconds(2)));
        gate.Hear(Report(slice, taken: 1, probe: ProbeResult.Through), Noon.AddSeconds(3));
        Assert.Equal(DeliveryMode.Running, gate.State.Mode);
        Assert.NotEmpty(Permits(gate, Noon.AddSeconds(3)));
        gate.Hear(Report(failed: 9), Noon.AddSeconds(3));
        Assert.Equal(DeliveryMode.Running, gate.State.Mode); // what was before does not count any more
    }

    [Fact]
    public void A_probe_that_was_not_sent_is_given_to_another_slice_at_once()
    {
        var gate = Opened();
        var (slice, _) = Assert.Single(Permits(gate, Noon.AddSeconds(2)));
        gate.Hear(Report(slice, unused: 1, probe: ProbeResult.Unused), Noon.AddSeconds(2));
        var (next, permits) = Assert.Single(Permits(gate, Noon.AddSeconds(2)));
        Assert.True(permits.IsProbe);
        Assert.NotEqual(slice, next);
    }

    [Fact]
    public void A_probe_of_which_nothing_is_heard_counts_as_failed()
    {
        var gate = Opened();
        Assert.Single(Permits(gate, Noon.AddSeconds(2)));
        gate.Pump(Noon.AddSeconds(40));
        Assert.Equal(DeliveryMode.Open, gate.State.Mode);
    }

    [Fact]
    public void A_pause_holds_until_somebody_ends_it_whatever_gets_through_meanwhile()
    {
        var gate = Gate();
        gate.Hear(Report(live: 5), Noon);
        gate.Pause(Noon);
        gate.Hear(Report(live: 5, taken: 3), Noon);
        Assert.Empty(Permits(gate, Noon.AddDays(30)));
        Assert.Equal((DeliveryMode.Paused, "paused"), (gate.State.Mode, gate.State.Reason));
        gate.Resume(ResumeMode.Since, Noon.AddHours(-1), [7, 0, 9], Noon.AddDays(30));
        var permits = Assert.Single(Permits(gate, Noon.AddDays(30))).Permits;
        Assert.Equal((ResumeMode.Since, Noon.AddHours(-1), 7), (permits.SkipMode, permits.SkipBefore, permits.SkipBelow));
    }

    [Fact]
    public void After_a_restart_it_is_as_paused_or_as_open_as_before()
    {
        var paused = Gate();
        paused.Pause(Noon);
        Assert.Equal(DeliveryMode.Paused, Gate(state: paused.State).State.Mode);
        var open = Opened();
        Permits(open, Noon.AddSeconds(2));
        Assert.Equal(DeliveryMode.HalfOpen, open.State.Mode);
        Assert.Equal(DeliveryMode.Open, Gate(state: open.State).State.Mode);
    }

    [Fact]
    public void After_a_restart_an_open_breaker_probes_soon()
    {
        var state = Opened().State with { ProbeAt = Noon.AddHours(1) };
        Assert.Equal(Noon.AddSeconds(2), Gate(state: state).State.ProbeAt);
    }

    [Fact]
    public void A_refused_message_speaks_for_the_connection_and_is_no_delivered_one()
    {
        var gate = Gate();
        gate.Hear(Report(live: 1, taken: 30, failed: 70) with { Delivered = 0 }, Noon);
        Assert.Equal(DeliveryMode.Running, gate.State.Mode);
        Assert.Null(gate.Tell().LastDeliveredAt);
        Assert.Null(Assert.Single(Permits(gate, Noon)).Permits.TakenAt);

        gate.Hear(Report(live: 1, taken: 2) with { Delivered = 1 }, Noon.AddSeconds(1));
        Assert.Equal(Noon.AddSeconds(1), gate.Tell().LastDeliveredAt);
        Assert.Equal(Noon.AddSeconds(1), Assert.Single(Permits(gate, Noon.AddSeconds(1))).Permits.TakenAt);
    }

    [Fact]
    public void A_slice_of_an_earlier_build_tells_only_what_was_taken()
    {
        var gate = Gate();
        gate.Hear(Report(taken: 1), Noon);
        Assert.Equal(Noon, gate.Tell().LastDeliveredAt);
    }

    [Fact]
    public void An_operator_who_resumes_waits_for_no_Retry_After()
    {
        var gate = Gate();
        gate.Hear(Report(live: 5, failed: 2, throttled: 2) with { HoldMilliseconds = 3_600_000 }, Noon);
        Assert.Empty(Permits(gate, Noon.AddMinutes(1)));
        Assert.Equal(Noon.AddHours(1), gate.Tell().HoldUntil);
        gate.Resume(ResumeMode.All, since: null, [7, 0, 9], Noon.AddMinutes(1));
        Assert.Null(gate.State.HoldUntil);
        Assert.NotEmpty(Permits(gate, Noon.AddMinutes(1)));
    }

    [Fact]
    public void A_clock_that_is_turned_back_makes_no_probe_wait_for_longer_than_probes_ever_do()
    {
        var gate = Opened();
        var before = Noon.AddDays(-1);
        Assert.Empty(Permits(gate, before));
        Assert.Equal(before.AddSeconds(10), gate.State.ProbeAt);
        Assert.Single(Permits(gate, before.AddSeconds(10)));
        Assert.Empty(Permits(gate, before.AddSeconds(9)));
        gate.Pump(before.AddSeconds(10).AddDays(-1));
        gate.Pump(before.AddSeconds(41).AddDays(-1));
        Assert.Equal(DeliveryMode.Open, gate.State.Mode); // it was waited for
    }

    [Fact]
    public void A_clock_that_is_turned_back_makes_nothing_wait_for_longer_than_the_longest_Retry_After()
    {
        var gate = Gate();
        gate.Hear(Report(live: 5, failed: 2, throttled: 2) with { HoldMilliseconds = 3_600_000 }, Noon);
        var before = Noon.AddDays(-1);
        Assert.Empty(Permits(gate, before));
        Assert.Equal(before.AddHours(1), gate.Tell().HoldUntil);
        Assert.NotEmpty(Permits(gate, before.AddHours(1)));
    }

    private static ConnectionGate Opened()
    {
        var gate = Gate();
        gate.Hear(Report(partition: 1, live: 10), Noon);
        gate.Hear(Report(partition: 2, live: 10, failed: 50), Noon);
        gate.Pump(Noon);
        return gate;
    }

    private static List<Allotment> Permits(ConnectionGate gate, DateTimeOffset now) =>
        [.. gate.Pump(now).Where(one => one.Permits.Live.Length + one.Permits.Backfill.Length > 0)];
}
