namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// What an attempt means for its message: it is done, it is tried again, or it never will be taken. A message may not block
/// its lane for ever while others of its connection get through; but as long as none gets through the receiver is away, and
/// nothing is given up.
/// </summary>
public static class RetryRules
{
    /// <summary>If nothing got through for so long, the receiver is away: that time counts against no message.</summary>
    private static readonly TimeSpan Outage = TimeSpan.FromHours(1);

    /// <summary>The part of the budget that one wait for an attempt may spend: so much is a turn among others.</summary>
    private const double WaitMax = 0.01;

    /// <summary>By what part the receiver's own wait is exceeded at most.</summary>
    private const double AskedMore = 0.1;

    /// <summary>The outcome of an attempt.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="before">What the message went through before it; null if this is the first attempt.</param>
    /// <param name="othersTakenAt">When a message of the connection was last answered 2xx; null if none was.</param>
    /// <param name="options">Pauses and budget.</param>
    /// <param name="random">A number from 0 up to 1, drawn anew for every call.</param>
    public static DeliveryOutcome Conclude(
        DeliveryAttempt attempt,
        LaneHistory? before,
        DateTimeOffset? othersTakenAt,
        RetryOptions options,
        double random) => attempt.Verdict switch
        {
            DeliveryVerdict.Delivered => new DeliveryOutcome.Delivered(),
            DeliveryVerdict.DryRun => new DeliveryOutcome.DryRun(),
            DeliveryVerdict.Reject => Dead(attempt.Reason, attempt, before),
            _ => TryAgain(attempt, before, othersTakenAt, options, random),
        };

    /// <summary>For how long the receiver wants to be left alone by a sender that asks too often: 429 with
    /// <c>Retry-After</c>, up to the cap; null for every other answer.</summary>
    public static TimeSpan? HoldOf(DeliveryAttempt attempt, RetryOptions options) =>
        attempt is { Status: 429, RetryAfter: { } asked } && asked > TimeSpan.Zero
            ? (asked > options.RetryAfterMax ? options.RetryAfterMax : asked)
            : null;

    /// <summary>Decorrelated jitter: the next pause lies anywhere between the first one and three times the last one, so that
    /// lanes which failed together do not come back together.</summary>
    public static TimeSpan NextDelay(TimeSpan? last, RetryOptions options, double random)
    {
        var first = options.DelayFirst;
        var delay = first + (random * ((3 * (last ?? first)) - first));
        return delay < options.DelayMax ? delay : options.DelayMax;
    }

    /// <summary>The longest pause before an attempt: one of its own, or what the receiver asks for.</summary>
    public static TimeSpan LongestWait(RetryOptions options)
    {
        var asked = (1 + AskedMore) * options.RetryAfterMax;
        return asked > options.DelayMax ? asked : options.DelayMax;
    }

    private static DeliveryOutcome TryAgain(
        DeliveryAttempt attempt,
        LaneHistory? before,
        DateTimeOffset? othersTakenAt,
        RetryOptions options,
        double random)
    {
        var ended = attempt.At + attempt.Latency;
        var aloneSince = AloneSince(attempt, before, othersTakenAt, options);
        if (ended - aloneSince >= options.Budget)
        {
            return Dead("retry-budget-exhausted", attempt, before);
        }

        var delay = NextDelay(before?.Delay, options, random);
        var asked = Asked(attempt, options, random);
        var history = new LaneHistory(
            attempt.Number,
            before?.FirstAttemptAt ?? attempt.At,
            attempt.At,
            aloneSince,
            delay,
            ended + (asked > delay ? asked.Value : delay));

        // Others get through and this one did not, so it is not the connection that is set up wrongly.
        var wrongSetup = attempt.Verdict == DeliveryVerdict.Hold && aloneSince is null;
        return new DeliveryOutcome.RetryLater(history, attempt.Reason, wrongSetup);
    }

    /// <summary>What the receiver asked for, up to the cap, and up to a tenth more, so that not everybody comes back in the same
    /// moment.</summary>
    private static TimeSpan? Asked(DeliveryAttempt attempt, RetryOptions options, double random)
    {
        var asked = attempt.RetryAfter > options.RetryAfterMax ? options.RetryAfterMax : attempt.RetryAfter;
        return asked > TimeSpan.Zero ? asked + (random * AskedMore * asked) : asked;
    }

    private static DateTimeOffset? AloneSince(
        DeliveryAttempt attempt, LaneHistory? before, DateTimeOffset? othersTakenAt, RetryOptions options)
    {
        var ended = attempt.At + attempt.Latency;
        if (before?.FailsAloneSince is not { } since)
        {
            return othersTakenAt > (before?.FirstAttemptAt ?? attempt.At) ? ended : null;
        }

        var away = othersTakenAt is null || ended - othersTakenAt > Outage;
        return since + (away ? ended - before.LastAttemptAt : Unspent(attempt.At - before.NextAttemptAt, options));
    }

    /// <summary>A message that is not tried for long although its pause is over cannot help it: the connection is paused, its
    /// breaker open, or no node runs.</summary>
    private static TimeSpan Unspent(TimeSpan late, RetryOptions options)
    {
        var spent = WaitMax * options.Budget;
        return late > spent ? late - spent : TimeSpan.Zero;
    }

    private static DeliveryOutcome.DeadLettered Dead(string reason, DeliveryAttempt attempt, LaneHistory? before) => new(
        reason, attempt.Status, attempt.Response, attempt.Number, before?.FirstAttemptAt ?? attempt.At, attempt.At);
}
