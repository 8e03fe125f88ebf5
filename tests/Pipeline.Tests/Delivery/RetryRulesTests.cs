using VarianceActors.Pipeline.Delivery;
using Xunit;
using static VarianceActors.Pipeline.Tests.Delivery.GateSetup;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>What an attempt means for its message.</summary>
public sealed class RetryRulesTests
{
    private static readonly RetryOptions Retry = Options.Retry;

    [Theory]
    [InlineData(200, "Delivered")]
    [InlineData(204, "Delivered")]
    [InlineData(302, "RetryLater")]
    [InlineData(400, "DeadLettered")]
    [InlineData(401, "RetryLater")]
    [InlineData(402, "RetryLater")]
    [InlineData(403, "RetryLater")]
    [InlineData(404, "RetryLater")]
    [InlineData(405, "RetryLater")]
    [InlineData(406, "DeadLettered")]
    [InlineData(407, "RetryLater")]
    [InlineData(408, "RetryLater")]
    [InlineData(410, "RetryLater")]
    [InlineData(413, "DeadLettered")]
    [InlineData(415, "RetryLater")]
    [InlineData(421, "RetryLater")]
    [InlineData(422, "DeadLettered")]
    [InlineData(425, "RetryLater")]
    [InlineData(426, "RetryLater")]
    [InlineData(429, "RetryLater")]
    [InlineData(500, "RetryLater")]
    [InlineData(503, "RetryLater")]
    public void A_status_decides(int status, string outcome) =>
        Assert.Equal(outcome, Conclude(Attempt(status, Noon), null, null).GetType().Name);

    [Fact]
    public void A_pause_lies_between_the_first_one_and_three_times_the_last_one_and_never_above_the_longest()
    {
        Assert.Equal(TimeSpan.FromSeconds(0.5), RetryRules.NextDelay(null, Retry, 0));
        Assert.Equal(TimeSpan.FromSeconds(1.0), RetryRules.NextDelay(null, Retry, 0.5));
        Assert.Equal(TimeSpan.FromSeconds(0.5), RetryRules.NextDelay(TimeSpan.FromSeconds(4), Retry, 0));
        Assert.Equal(TimeSpan.FromSeconds(6.25), RetryRules.NextDelay(TimeSpan.FromSeconds(4), Retry, 0.5));
        Assert.Equal(TimeSpan.FromSeconds(15), RetryRules.NextDelay(TimeSpan.FromSeconds(15), Retry, 0.9));
    }

    [Fact]
    public void Retry_after_is_obeyed_up_to_its_limit_and_never_shortens_a_pause()
    {
        Assert.Equal(Noon.AddSeconds(63), NextAttempt(TimeSpan.FromSeconds(60))); // up to a tenth more; half of that is drawn here
        Assert.Equal(Noon.AddMinutes(63), NextAttempt(TimeSpan.FromDays(1)));
        Assert.Equal(Noon.AddSeconds(1), NextAttempt(TimeSpan.FromMilliseconds(1)));
        Assert.Equal(Noon.AddSeconds(1), NextAttempt(TimeSpan.FromSeconds(-5)));
    }

    [Fact]
    public void While_nothing_gets_through_no_budget_is_spent()
    {
        var history = Fail(null, Noon, null);
        history = Fail(history, Noon.AddDays(365), Noon.AddSeconds(-1));
        Assert.Null(history.FailsAloneSince);
        Assert.Equal(2, history.Attempts);
    }

    [Fact]
    public void A_message_that_fails_alone_for_the_whole_budget_is_given_up()
    {
        var history = Fail(null, Noon, null);
        history = Fail(history, Noon.AddSeconds(5), Noon.AddSeconds(3));
        Assert.Equal(Noon.AddSeconds(5), history.FailsAloneSince);
        history = FailOnTime(history, Noon.AddHours(24), at => at);
        var last = Conclude(
            Attempt(503, history.NextAttemptAt.AddMinutes(1)) with { Number = 9_999 }, history, history.NextAttemptAt);
        var dead = Assert.IsType<DeliveryOutcome.DeadLettered>(last);
        Assert.Equal(("retry-budget-exhausted", 9_999, Noon), (dead.Reason, dead.Attempts, dead.FirstAttemptAt));
    }

    [Fact]
    public void An_outage_afterwards_does_not_count()
    {
        var history = Fail(null, Noon, null);
        history = Fail(history, Noon.AddSeconds(5), Noon.AddSeconds(3));
        history = FailOnTime(history, Noon.AddDays(3), _ => Noon.AddSeconds(3));
        FailOnTime(history, Noon.AddDays(3.5), at => at);
    }

    [Fact]
    public void Long_waits_of_a_message_whose_pause_was_over_spend_little_of_its_budget()
    {
        var history = Fail(null, Noon, null);
        history = Fail(history, Noon.AddSeconds(1), Noon.AddSeconds(0.5));
        for (var day = 1; day < 10; day++)
        {
            var resumed = history.NextAttemptAt.AddHours(25);
            history = Fail(history, resumed, resumed);
        }

        var spent = history.LastAttemptAt - history.FailsAloneSince!.Value;
        Assert.InRange(spent, TimeSpan.Zero, 9 * (Retry.DelayMax + (Retry.Budget / 100)));
    }

    [Fact]
    public void A_turn_among_many_others_is_no_long_wait()
    {
        var history = Fail(null, Noon, null);
        history = Fail(history, Noon.AddSeconds(1), Noon.AddSeconds(0.5));
        history = FailOnTime(history, Noon.AddHours(23), at => at, late: TimeSpan.FromMinutes(10));
        Assert.Equal(Noon.AddSeconds(1), history.FailsAloneSince);
    }

    [Fact]
    public void A_401_is_a_wrong_setup_only_while_nothing_else_gets_through()
    {
        var first = Assert.IsType<DeliveryOutcome.RetryLater>(Conclude(Attempt(401, Noon), null, null));
        Assert.True(first.WrongSetup);
        var alone = Conclude(Attempt(401, Noon.AddSeconds(9)), first.History, Noon.AddSeconds(8));
        Assert.False(Assert.IsType<DeliveryOutcome.RetryLater>(alone).WrongSetup);
    }

    private static DeliveryAttempt Attempt(int status, DateTimeOffset at, TimeSpan? retryAfter = null) =>
        DeliveryAttempt.Answered(status, retryAfter, default) with { Number = 1, At = at };

    private static DeliveryOutcome Conclude(DeliveryAttempt attempt, LaneHistory? before, DateTimeOffset? othersTakenAt) =>
        RetryRules.Conclude(attempt, before, othersTakenAt, Retry, random: 0.5);

    private static LaneHistory Fail(LaneHistory? before, DateTimeOffset at, DateTimeOffset? othersTakenAt) =>
        Assert.IsType<DeliveryOutcome.RetryLater>(
            Conclude(Attempt(503, at) with { Number = (before?.Attempts ?? 0) + 1 }, before, othersTakenAt)).History;

    /// <summary>Tries again when each pause is over, until a time.</summary>
    private static LaneHistory FailOnTime(
        LaneHistory history,
        DateTimeOffset until,
        Func<DateTimeOffset, DateTimeOffset> othersTakenAt,
        TimeSpan late = default)
    {
        for (var at = history.NextAttemptAt + late; at < until; at = history.NextAttemptAt + late)
        {
            history = Fail(history, at, othersTakenAt(at));
        }

        return history;
    }

    private static DateTimeOffset NextAttempt(TimeSpan retryAfter) =>
        Assert.IsType<DeliveryOutcome.RetryLater>(Conclude(Attempt(429, Noon, retryAfter), null, null)).History.NextAttemptAt;
}
