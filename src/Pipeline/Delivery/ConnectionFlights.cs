using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What the slices of one connection share on a node: how many requests may be in flight, and when one was last
/// taken.</summary>
/// <param name="max">Requests in flight at most.</param>
public sealed class ConnectionFlights(int max)
{
    private readonly Lock _lock = new();
    private readonly Queue<RoomWaiter> _waiting = [];
    private long _takenAtTicks;
    private int _inFlight;

    /// <summary>When a message was last taken by the receiver; null if none was since the node started.</summary>
    public DateTimeOffset? TakenAt =>
        Volatile.Read(ref _takenAtTicks) is var ticks and > 0 ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>Takes room for one request.</summary>
    /// <param name="waiter">Called once, on any thread, when there is room again, if there is none now. Who is called and then
    /// does not take the room, or not all of it, must <see cref="PassOn"/>.</param>
    /// <returns>Whether there was room.</returns>
    public bool TryEnter(RoomWaiter waiter)
    {
        lock (_lock)
        {
            if (_inFlight < max)
            {
                _inFlight++;
                return true;
            }

            _waiting.Enqueue(waiter);
            return false;
        }
    }

    /// <summary>Gives the room back.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            _inFlight--;
        }

        PassOn();
    }

    /// <summary>Calls the next one that waits, if there is room.</summary>
    public void PassOn()
    {
        RoomWaiter? next = null;
        lock (_lock)
        {
            while (_inFlight < max && _waiting.TryDequeue(out next) && next.IsGone)
            {
                next = null;
            }
        }

        next?.Free();
    }

    /// <summary>A message was taken.</summary>
    public void Taken(DateTimeOffset at) => Volatile.Write(ref _takenAtTicks, at.UtcTicks);
}

/// <summary>Who waits for room.</summary>
/// <param name="free">Tells that there is room; must return at once.</param>
public sealed class RoomWaiter(Action free)
{
    /// <summary>Whether nobody waits any more: the next one is called instead.</summary>
    public bool IsGone { get; set; }

    internal void Free() => free();
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
            flights.Leave();
        }
    }

    /// <summary>Gives it up, unless it has begun.</summary>
    public void GiveUp()
    {
        if (Interlocked.Exchange(ref _isBegun, 1) == 0)
        {
            flights.Leave();
        }
    }
}

/// <summary>An attempt is over.</summary>
/// <param name="Flight">Which.</param>
/// <param name="Attempt">How it went; null if it was not made.</param>
public sealed record FlightEnded(Flight Flight, DeliveryAttempt? Attempt);
