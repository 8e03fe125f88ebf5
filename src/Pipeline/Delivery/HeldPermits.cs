namespace VarianceActors.Pipeline.Delivery;

/// <summary>The permits that a slice has been granted and has not used yet.</summary>
internal sealed class HeldPermits
{
    /// <summary>No permit is for a time further ahead, unless the clock was turned back.</summary>
    private static readonly TimeSpan Ahead = TimeSpan.FromSeconds(2);
    private readonly Queue<(DateTimeOffset From, DateTimeOffset Until, long Epoch)> _live = [];
    private readonly Queue<(DateTimeOffset From, DateTimeOffset Until, long Epoch)> _backfill = [];

    private TimeSpan _usual;

    /// <summary>The latest epoch of unused permits; those of earlier ones are lost.</summary>
    public long UnusedEpoch { get; private set; }

    /// <summary>Permits of <see cref="UnusedEpoch"/> that went unused since this was last <see cref="TakeUnused">asked</see>.</summary>
    public int Unused { get; private set; }

    /// <summary>How many there are.</summary>
    public int Count(bool backfill) => Of(backfill).Count;

    /// <summary>Adds a grant.</summary>
    public void Add(PermitsGranted granted, DateTimeOffset now)
    {
        var given = now - LateBy(granted, now);
        var patience = Time(granted.Patience);
        foreach (var wait in granted.Live)
        {
            _live.Enqueue((given + Time(wait), given + Time(wait) + patience, granted.Epoch));
        }

        foreach (var wait in granted.Backfill)
        {
            _backfill.Enqueue((given + Time(wait), given + Time(wait) + patience, granted.Epoch));
        }
    }

    /// <summary>Uses a permit whose time has come and is not over.</summary>
    public bool TryUse(bool backfill, DateTimeOffset now)
    {
        var permits = Of(backfill);
        DropExpired(permits, now);
        return permits.TryPeek(out var next) && next.From <= now && permits.TryDequeue(out _);
    }

    /// <summary>When the next permit of a kind may be used; null if there is none.</summary>
    public DateTimeOffset? NextAt(bool backfill) => Of(backfill).TryPeek(out var next) ? next.From : null;

    /// <summary>Gives up permits that are over, or further ahead than any was granted.</summary>
    /// <returns>Whether there were any.</returns>
    public bool DropExpired(DateTimeOffset now) => DropExpired(_live, now) | DropExpired(_backfill, now);

    /// <summary>Gives up all permits.</summary>
    public void DropAll() => DropExpired(DateTimeOffset.MaxValue);

    /// <summary>How many went unused; asking again begins at 0.</summary>
    public int TakeUnused()
    {
        var unused = Unused;
        Unused = 0;
        return unused;
    }

    // A link or a process that stood still brings permits of a time that is over, beside which others were given out since. How
    // long question and answer usually take is not counted: on a slow machine it is slow every time.
    private TimeSpan LateBy(PermitsGranted granted, DateTimeOffset now)
    {
        if (granted.AskedAt is not { } asked || granted.IsPlenty || granted.IsProbe)
        {
            return TimeSpan.Zero;
        }

        var away = TimeSpan.FromMilliseconds(now.ToUnixTimeMilliseconds() - asked - granted.HeldFor);
        away = away < TimeSpan.Zero ? TimeSpan.Zero : away; // the clock was turned back
        var late = away - _usual;
        _usual = late > TimeSpan.Zero ? _usual + (late / 4) : away;
        return late > TimeSpan.Zero ? late : TimeSpan.Zero;
    }

    private Queue<(DateTimeOffset From, DateTimeOffset Until, long Epoch)> Of(bool backfill) => backfill ? _backfill : _live;

    private bool DropExpired(Queue<(DateTimeOffset From, DateTimeOffset Until, long Epoch)> permits, DateTimeOffset now)
    {
        var before = permits.Count;
        while (permits.TryPeek(out var next) && (next.Until < now || next.From - now > Ahead))
        {
            permits.Dequeue();
            if (next.Epoch > UnusedEpoch)
            {
                (UnusedEpoch, Unused) = (next.Epoch, 0);
            }

            Unused += next.Epoch == UnusedEpoch ? 1 : 0;
        }

        return permits.Count < before;
    }

    private static TimeSpan Time(long microseconds) => TimeSpan.FromMicroseconds(microseconds);
}
