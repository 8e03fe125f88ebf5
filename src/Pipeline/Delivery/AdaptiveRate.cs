namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// The rate that a receiver can bear: half as fast, at most once a second, when it answers 429, and a twentieth of the set
/// rate faster after every ten seconds without one; never below the lowest and never above the set rate.
/// </summary>
internal sealed class AdaptiveRate
{
    private static readonly TimeSpan BetweenCuts = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);
    private readonly double _lowest;
    private readonly double _set;
    private DateTimeOffset _changedAt;
    private DateTimeOffset _throttledAt;

    public AdaptiveRate(int lowestPerSecond, int setPerSecond, DateTimeOffset now)
    {
        (_lowest, _set, Current) = (Math.Min(lowestPerSecond, setPerSecond), setPerSecond, setPerSecond);
        (_changedAt, _throttledAt) = (now - BetweenCuts, now);
    }

    /// <summary>Messages a second.</summary>
    public double Current { get; private set; }

    /// <summary>When <see cref="Current"/> may next rise; null at the set rate.</summary>
    public DateTimeOffset? RisesAt => Current >= _set ? null : Later(_changedAt, _throttledAt) + Quiet;

    /// <summary>The receiver answered 429.</summary>
    /// <returns>Whether the rate changed.</returns>
    public bool Throttled(DateTimeOffset now)
    {
        TurnBack(now);
        _throttledAt = now;
        if (now - _changedAt < BetweenCuts || Current <= _lowest)
        {
            return false;
        }

        _changedAt = now;
        Current = Math.Max(_lowest, Current / 2);
        return true;
    }

    /// <summary>Time has passed.</summary>
    /// <returns>Whether the rate changed.</returns>
    public bool Pass(DateTimeOffset now)
    {
        TurnBack(now);
        if (!(now >= RisesAt))
        {
            return false;
        }

        _changedAt = now;
        Current = Math.Min(_set, Current + (_set / 20));
        return true;
    }

    /// <summary>Where the clock was turned back, what lies ahead of it is now.</summary>
    private void TurnBack(DateTimeOffset now) => (_changedAt, _throttledAt) =
        (_changedAt > now ? now : _changedAt, _throttledAt > now ? now : _throttledAt);

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;
}
