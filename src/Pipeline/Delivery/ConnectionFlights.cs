using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What the slices of one connection share on a node: how many requests may be in flight, and when one was last
/// taken. While live traffic and backfill both wait, backfill has its share of the requests, and live traffic the rest. Persons whose
/// message failed before are tried again with a part of the requests only: those whose messages hang would else have all of
/// them.</summary>
/// <param name="max">Requests in flight at most.</param>
/// <param name="backfillPercent">The share of backfill.</param>
public sealed class ConnectionFlights(int max, int backfillPercent)
{
    private readonly Lock _lock = new();
    private readonly List<RoomWaiter> _waiting = [];
    private readonly List<RoomWaiter> _waitingToRetry = [];
    private readonly int _backfillMax = (int)Math.Max(1, (long)max * backfillPercent / 100);
    private readonly int _retriesMax = Math.Max(1, max - (max / 4));
    private readonly int _retriesMaxWhileOthersWait = Math.Max(1, max / 4);
    private readonly int _backfillRetriesMax = Math.Max(1, max / 8);
    private long _takenAtTicks;
    private int _live;
    private int _backfill;
    private int _retries;
    private int _backfillRetries;

    /// <summary>When a message was last taken by the receiver; null if none was since the node started.</summary>
    public DateTimeOffset? TakenAt =>
        Volatile.Read(ref _takenAtTicks) is var ticks and > 0 ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>Whether backfill has less than its share of the requests.</summary>
    public bool IsBackfillBelowShare
    {
        get
        {
            lock (_lock)
            {
                return _backfill < _backfillMax;
            }
        }
    }

    /// <summary>Takes room for one request of the waiter's kind.</summary>
    /// <param name="waiter">Called once, on any thread, when there is room again, if there is none now. Who is called and then
    /// does not take the room, or not all of it, must <see cref="PassOn"/>.</param>
    /// <returns>Whether there was room.</returns>
    public bool TryEnter(RoomWaiter waiter)
    {
        lock (_lock)
        {
            if (MayEnter(waiter.IsBackfill))
            {
                Count(waiter.IsBackfill, 1);
                return true;
            }

            waiter.IsWaiting = true;
            _waiting.Add(waiter);
            return false;
        }
    }

    /// <summary>Gives the room back.</summary>
    public void Leave(bool isBackfill)
    {
        lock (_lock)
        {
            Count(isBackfill, -1);
        }

        PassOn();
    }

    /// <summary>Takes one of the places for persons who are tried again: while no live traffic waits for room three quarters of the
    /// requests, else one quarter; backfill has an eighth of the requests at most, so that it leaves places to live traffic.</summary>
    /// <param name="waiter">As for <see cref="TryEnter"/>.</param>
    /// <returns>Whether there was a place.</returns>
    public bool TryRetry(RoomWaiter waiter)
    {
        lock (_lock)
        {
            if (MayRetry(waiter.IsBackfill))
            {
                CountRetry(waiter.IsBackfill, 1);
                return true;
            }

            waiter.IsWaiting = true;
            _waitingToRetry.Add(waiter);
            return false;
        }
    }

    /// <summary>Gives the place of a person who is tried again back.</summary>
    public void EndRetry(bool isBackfill)
    {
        lock (_lock)
        {
            CountRetry(isBackfill, -1);
        }

        PassOn();
    }

    /// <summary>Calls the next one that waits, if there is room for it.</summary>
    public void PassOn()
    {
        RoomWaiter? next;
        RoomWaiter? retries;
        lock (_lock)
        {
            _waitingToRetry.RemoveAll(waiter => waiter.IsGone);
            retries = _waitingToRetry.Find(waiter => MayRetry(waiter.IsBackfill));
            if (retries is not null)
            {
                _waitingToRetry.Remove(retries);
            }

            _waiting.RemoveAll(waiter => waiter.IsGone);
            var (live, backfill) = (MayEnter(isBackfill: false), MayEnter(isBackfill: true));
            next = _waiting.Find(waiter => waiter.IsBackfill ? backfill : live);
            if (next is not null)
            {
                _waiting.Remove(next);
            }
        }

        next?.Free();
        retries?.Free();
    }

    /// <summary>A message was taken.</summary>
    public void Taken(DateTimeOffset at) => Volatile.Write(ref _takenAtTicks, at.UtcTicks);

    /// <summary>While only one kind waits it gets all the room there is.</summary>
    private bool MayEnter(bool isBackfill)
    {
        var isWithinShare = isBackfill ? _backfill < _backfillMax : _live < Math.Max(1, max - _backfillMax);
        return _live + _backfill < max
            && (isWithinShare || !_waiting.Exists(other => other.IsBackfill != isBackfill && !other.IsGone));
    }

    private bool MayRetry(bool isBackfill)
    {
        var doOthersWait = _waiting.Exists(other => !other.IsBackfill && !other.IsGone);
        return _retries < (doOthersWait ? _retriesMaxWhileOthersWait : _retriesMax)
            && (!isBackfill || _backfillRetries < _backfillRetriesMax);
    }

    private void CountRetry(bool isBackfill, int persons)
    {
        _retries += persons;
        _backfillRetries += isBackfill ? persons : 0;
    }

    private void Count(bool isBackfill, int flights) =>
        (_live, _backfill) = isBackfill ? (_live, _backfill + flights) : (_live + flights, _backfill);
}

/// <summary>Who waits for room: a slice, for one kind of its messages, or for a person who is tried again.</summary>
/// <param name="isBackfill">Whether it is for backfill.</param>
/// <param name="free">Tells that there is room; must return at once.</param>
public sealed class RoomWaiter(bool isBackfill, Action<RoomWaiter> free)
{
    /// <summary>Whether it is for backfill.</summary>
    public bool IsBackfill { get; } = isBackfill;

    /// <summary>Whether it has found no room; who is called takes it back.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>Whether nobody waits any more: the next one is called instead.</summary>
    public bool IsGone { get; set; }

    internal void Free() => free(this);
}

/// <summary>One attempt on its way through the stream. It is begun once, or given up before it began.</summary>
/// <param name="entry">The message.</param>
/// <param name="number">Which attempt of the message it is, from 1.</param>
/// <param name="isProbe">Whether it probes an open breaker.</param>
/// <param name="flights">Where it has its room.</param>
public sealed class Flight(OutboxEntry entry, int number, bool isProbe, ConnectionFlights flights)
{
    private int _isBegun;

    /// <summary>The message.</summary>
    public OutboxEntry Entry { get; } = entry;

    /// <summary>Which attempt of the message it is, from 1.</summary>
    public int Number { get; } = number;

    /// <summary>Whether it probes an open breaker.</summary>
    public bool IsProbe { get; } = isProbe;

    /// <summary>Makes the attempt; null if it was given up before.</summary>
    public async Task<FlightEnded> MakeAsync(Send send)
    {
        if (Interlocked.Exchange(ref _isBegun, 1) == 1)
        {
            return new FlightEnded(this, Attempt: null);
        }

        try
        {
            return new FlightEnded(this, await send(Entry, Number).ConfigureAwait(false));
        }
        finally
        {
            flights.Leave(Entry.IsBackfill);
        }
    }

    /// <summary>Gives it up, unless it has begun.</summary>
    public void GiveUp()
    {
        if (Interlocked.Exchange(ref _isBegun, 1) == 0)
        {
            flights.Leave(Entry.IsBackfill);
        }
    }
}

/// <summary>An attempt is over.</summary>
/// <param name="Flight">Which.</param>
/// <param name="Attempt">How it went; null if it was not made.</param>
public sealed record FlightEnded(Flight Flight, DeliveryAttempt? Attempt);
