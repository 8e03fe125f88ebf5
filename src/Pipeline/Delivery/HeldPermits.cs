namespace VarianceActors.Pipeline.Delivery;

/// <summary>The permits that a slice has been granted and has not used yet.</summary>
internal sealed class HeldPermits
{
    private readonly Queue<(DateTimeOffset From, DateTimeOffset Until)> _live = [];
    private readonly Queue<(DateTimeOffset From, DateTimeOffset Until)> _backfill = [];

    /// <summary>Permits that went unused since this was last <see cref="TakeUnused">asked</see>.</summary>
    public int Unused { get; private set; }

    /// <summary>How many there are.</summary>
    public int Count(bool backfill) => Of(backfill).Count;

    /// <summary>Adds a grant.</summary>
    public void Add(PermitsGranted granted, DateTimeOffset now)
    {
        var patience = Time(granted.Patience);
        foreach (var wait in granted.Live)
        {
            _live.Enqueue((now + Time(wait), now + Time(wait) + patience));
        }

        foreach (var wait in granted.Backfill)
        {
            _backfill.Enqueue((now + Time(wait), now + Time(wait) + patience));
        }
    }

    /// <summary>Uses a permit whose time has come and is not over.</summary>
    public bool TryUse(bool backfill, DateTimeOffset now)
    {
        var permits = Of(backfill);
        return permits.TryPeek(out var next) && next.From <= now && permits.TryDequeue(out _);
    }

    /// <summary>When the next permit of a kind may be used; null if there is none.</summary>
    public DateTimeOffset? NextAt(bool backfill) => Of(backfill).TryPeek(out var next) ? next.From : null;

    /// <summary>Gives up permits that are over.</summary>
    public void DropExpired(DateTimeOffset now)
    {
        DropExpired(_live, now);
        DropExpired(_backfill, now);
    }

    /// <summary>Gives up all permits.</summary>
    public void DropAll()
    {
        Unused += _live.Count + _backfill.Count;
        _live.Clear();
        _backfill.Clear();
    }

    /// <summary>How many went unused; asking again begins at 0.</summary>
    public int TakeUnused()
    {
        var unused = Unused;
        Unused = 0;
        return unused;
    }

    private Queue<(DateTimeOffset From, DateTimeOffset Until)> Of(bool backfill) => backfill ? _backfill : _live;

    private void DropExpired(Queue<(DateTimeOffset From, DateTimeOffset Until)> permits, DateTimeOffset now)
    {
        while (permits.TryPeek(out var next) && next.Until < now)
        {
            permits.Dequeue();
            Unused++;
        }
    }

    private static TimeSpan Time(long microseconds) => TimeSpan.FromMicroseconds(microseconds);
}
