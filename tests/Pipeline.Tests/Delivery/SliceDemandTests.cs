using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using Xunit;
using static VarianceActors.Pipeline.Tests.Delivery.GateSetup;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>What a slice tells its gate.</summary>
public sealed class SliceDemandTests
{
    [Fact]
    public void What_was_answered_2xx_is_told_beside_what_was_only_answered()
    {
        var demand = new SliceDemand(new DeliveryId("acme", 0), lanesMax: 64, Options.Retry);
        demand.Note(Attempt(200), new DeliveryOutcome.Delivered(), isProbe: false, takenAt: null);
        Refuse(demand);
        Refuse(demand);
        var report = demand.TryReport(new SliceNeed(1, 64), default, Noon)!;
        Assert.Equal((3, 1, 0), (report.Taken, report.Delivered, report.Failed));

        Refuse(demand);
        report = demand.TryReport(new SliceNeed(2, 64), default, Noon)!;
        Assert.Equal((1, 0, 0), (report.Taken, report.Delivered, report.Failed));
    }

    [Fact]
    public void Latencies_of_all_slices_are_told_to_the_gate_once_and_make_one_window()
    {
        var gate = Gate();
        foreach (var (partition, seconds) in new[] { (0, 1), (1, 100) })
        {
            var demand = new SliceDemand(new DeliveryId("acme", partition), lanesMax: 64, Options.Retry);
            for (var message = 0; message < 10; message++)
            {
                demand.NoteLatency(TimeSpan.FromSeconds(seconds));
            }

            demand.NoteLatency(TimeSpan.FromSeconds(3 * seconds));
            demand.Note(Attempt(200), new DeliveryOutcome.Delivered(), isProbe: false, takenAt: null);
            gate.Hear(demand.TryReport(new SliceNeed(1, 64), default, Noon)!, Noon);
            demand.Forget();
            Assert.True(demand.TryReport(new SliceNeed(1, 64), default, Noon)!.Latencies.IsDefault);
        }

        var told = gate.Latency(Noon.AddMinutes(5))!.Value;
        Assert.Equal(22, told.Messages);
        Assert.InRange(told.P50.TotalSeconds, 3, 3.6);
        Assert.InRange(told.P95.TotalSeconds, 100, 120);
        Assert.InRange(told.P99.TotalSeconds, 300, 360);
        Assert.Null(gate.Latency(Noon.AddMinutes(10)));
    }

    [Fact]
    public void A_Retry_After_that_the_gate_has_ended_is_not_told_again()
    {
        var demand = new SliceDemand(new DeliveryId("acme", 0), lanesMax: 64, Options.Retry);
        Throttle(demand);
        Throttle(demand);
        Assert.Equal(3_600_000, demand.TryReport(new SliceNeed(2, 64), default, Noon)!.HoldMilliseconds);

        demand.Add(Revoked(), Noon);
        demand.Forget();
        Assert.Null(demand.TryReport(new SliceNeed(2, 64), default, Noon)!.HoldMilliseconds);
    }

    [Fact]
    public void A_person_whose_messages_alone_are_answered_429_stops_nobody_else()
    {
        var demand = new SliceDemand(new DeliveryId("acme", 0), lanesMax: 64, Options.Retry);
        Throttle(demand);
        Throttle(demand, takenAt: Noon.AddSeconds(1)); // by another slice
        Throttle(demand, takenAt: Noon.AddSeconds(2));

        Assert.Null(demand.TryReport(new SliceNeed(2, 64), default, Noon)!.HoldMilliseconds);
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(40, 2)]
    [InlineData(900, 0)] // others were given out since
    [InlineData(2_000, 1)] // the first permit is of a time that is over; the second one's has come
    [InlineData(9_000, 0)]
    public void Permits_that_were_away_for_long_are_not_used_but_given_back(int milliseconds, int usable)
    {
        var demand = new SliceDemand(new DeliveryId("acme", 0), lanesMax: 64, Options.Retry);
        var report = demand.TryReport(new SliceNeed(2, 64), default, Noon)!;
        var granted = new PermitsGranted(
            [0, 2_000_000], [], Patience: 100_000, Epoch: 1, IsPlenty: false, IsProbe: false, IsRevoked: false,
            ResumeMode.All, Noon, TakenAt: null)
        {
            AskedAt = report.At,
            HeldFor = 50,
        };

        var arrived = Noon.AddMilliseconds(milliseconds + 50);
        demand.Add(granted, arrived);
        var used = 0;
        foreach (var at in (DateTimeOffset[])[arrived, arrived.AddSeconds(2)])
        {
            used += demand.MaySend(backfill: false, at) ? 1 : 0;
            demand.Use(backfill: false, at);
        }

        Assert.Equal(usable, used);
        Assert.Equal(2 - usable, demand.TryReport(new SliceNeed(2, 64), default, arrived.AddSeconds(2))!.Unused);
    }

    [Fact]
    public void Permits_that_a_clock_turned_back_has_put_far_ahead_are_given_back_and_later_ones_used()
    {
        var demand = new SliceDemand(new DeliveryId("acme", 0), lanesMax: 64, Options.Retry);
        var asked = demand.TryReport(new SliceNeed(1, 64), default, Noon)!;
        demand.Add(Granted(asked), Noon);

        var before = Noon.AddHours(-1);
        Assert.False(demand.MaySend(backfill: false, before));
        var report = demand.TryReport(new SliceNeed(1, 64), default, before)!;
        Assert.Equal((1, 1), (report.Unused, report.Live));
        demand.Add(Granted(asked), before); // asked by the clock of then
        Assert.True(demand.MaySend(backfill: false, before));
        demand.Use(backfill: false, before);

        report = demand.TryReport(new SliceNeed(1, 64), default, before)!;
        demand.Add(Granted(report), before.AddMilliseconds(50));
        Assert.True(demand.MaySend(backfill: false, before.AddMilliseconds(50)));
    }

    [Fact]
    public void A_Retry_After_lasts_no_longer_than_the_longest_one_if_the_clock_was_turned_back()
    {
        var demand = new SliceDemand(new DeliveryId("acme", 0), lanesMax: 64, Options.Retry);
        Throttle(demand);
        Throttle(demand);
        var before = Noon.AddDays(-1);
        Assert.Equal(3_600_000, demand.TryReport(new SliceNeed(2, 64), default, before)!.HoldMilliseconds);
        demand.Forget();
        Assert.Null(demand.TryReport(new SliceNeed(2, 64), default, before.AddHours(1))!.HoldMilliseconds);
    }

    [Fact]
    public void Where_every_answer_is_slow_permits_are_used_all_the_same()
    {
        var demand = new SliceDemand(new DeliveryId("acme", 0), lanesMax: 64, Options.Retry);
        var (now, used) = (Noon, 0);
        for (var round = 0; round < 100; round++)
        {
            demand.Forget();
            var report = demand.TryReport(new SliceNeed(1, 64), default, now)!;
            now += TimeSpan.FromSeconds(3);
            demand.Add(
                new PermitsGranted(
                    [0], [], Patience: 100_000, Epoch: 1, IsPlenty: false, IsProbe: false, IsRevoked: false,
                    ResumeMode.All, Noon, TakenAt: null)
                { AskedAt = report.At },
                now);
            used += demand.MaySend(backfill: false, now) ? 1 : 0;
            demand.Use(backfill: false, now);
        }

        Assert.True(used > 50, $"{used} of 100 permits were used");
    }

    [Theory]
    [InlineData(ResumeMode.Since, 9, -1, true)]
    [InlineData(ResumeMode.Since, 9, 1, false)]
    [InlineData(ResumeMode.Since, 10, -1, false)] // it came later, and its door's clock is behind
    [InlineData(ResumeMode.Latest, 9, 1, true)] // it waited, and its door's clock is ahead
    [InlineData(ResumeMode.Latest, 10, -1, false)]
    public void A_resume_leaves_out_nothing_that_came_after_it_whatever_clocks_say(
        ResumeMode mode, long position, int acceptedHours, bool isSkipped)
    {
        var demand = new SliceDemand(new DeliveryId("acme", 0), lanesMax: 64, Options.Retry);
        demand.Add(Revoked() with { SkipMode = mode, SkipBefore = Noon, SkipBelow = 10 }, Noon);
        Assert.Equal(isSkipped, demand.IsSkipped(Track(position, Noon.AddHours(acceptedHours))));
    }

    [Fact]
    public void A_gate_of_an_earlier_build_tells_what_to_leave_out_by_the_time_alone()
    {
        var demand = new SliceDemand(new DeliveryId("acme", 0), lanesMax: 64, Options.Retry);
        demand.Add(Revoked() with { SkipMode = ResumeMode.Since, SkipBefore = Noon }, Noon);
        Assert.True(demand.IsSkipped(Track(10, Noon.AddHours(-1))));
        Assert.False(demand.IsSkipped(Track(10, Noon)));
    }

    private static OutboxEntry Track(long position, DateTimeOffset acceptedAt) => new(
        position, Lane: 1, Guid.Empty, Fingerprint: 1, Closes: true, acceptedAt, new OutboundMessage(MessageKind.Track, "m", default));

    private static PermitsGranted Granted(ConnectionMessage.SliceReport asked) => new(
        [0], [], Patience: 100_000, Epoch: 1, IsPlenty: false, IsProbe: false, IsRevoked: false, ResumeMode.All, Noon, TakenAt: null)
    {
        AskedAt = asked.At,
    };

    private static PermitsGranted Revoked() => new(
        [], [], Patience: 0, Epoch: 0, IsPlenty: true, IsProbe: false, IsRevoked: true, ResumeMode.All, Noon, TakenAt: null);

    private static void Throttle(SliceDemand demand, DateTimeOffset? takenAt = null)
    {
        var attempt = DeliveryAttempt.Answered(429, TimeSpan.FromHours(1), default) with { Number = 1, At = Noon };
        demand.Note(attempt, RetryRules.Conclude(attempt, null, null, Options.Retry, random: 0), isProbe: false, takenAt);
    }

    private static void Refuse(SliceDemand demand)
    {
        var attempt = Attempt(400);
        demand.Note(attempt, RetryRules.Conclude(attempt, null, null, Options.Retry, random: 0.5), isProbe: false, takenAt: null);
    }

    private static DeliveryAttempt Attempt(int status) =>
        DeliveryAttempt.Answered(status, retryAfter: null, default) with { Number = 1, At = Noon };
}
