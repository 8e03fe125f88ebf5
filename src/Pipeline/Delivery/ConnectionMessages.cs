namespace VarianceActors.Pipeline.Delivery;

/// <summary>Whether a connection delivers.</summary>
public enum DeliveryMode
{
    /// <summary>It delivers.</summary>
    Running = 1,

    /// <summary>The breaker is open: everything is kept, nothing is sent, until a probe gets through.</summary>
    Open = 2,

    /// <summary>The breaker is half-open: one message is on its way as a probe, everything else is kept.</summary>
    HalfOpen = 3,

    /// <summary>An operator has stopped it: everything is kept, nothing is sent, until an operator resumes it.</summary>
    Paused = 4,
}

/// <summary>What of the waiting messages is sent when a connection is resumed.</summary>
public enum ResumeMode
{
    /// <summary>All of them.</summary>
    All = 1,

    /// <summary>Those of events accepted since a given time, and every alias; older ones are skipped and counted as such.</summary>
    Since = 2,

    /// <summary>The newest snapshot of each contact and account, and every alias; page views, screens and actions that wait
    /// are skipped, older snapshots coalesced, and both counted as such.</summary>
    Latest = 3,
}

/// <summary>What may be said to the gate of a connection, from anywhere in the cluster.</summary>
/// <param name="ConnectionId">The connection.</param>
public abstract record ConnectionMessage(string ConnectionId)
{
    /// <summary>Stop sending and keep everything. Answered with <see cref="DeliveryStatus"/> once it is on disk.</summary>
    public sealed record PauseDelivery(string ConnectionId) : ConnectionMessage(ConnectionId);

    /// <summary>Send again: ends a pause, and closes an open breaker. Answered with <see cref="DeliveryStatus"/> once it is
    /// on disk.</summary>
    /// <param name="ConnectionId">The connection.</param>
    /// <param name="Mode">What of the waiting messages is sent.</param>
    /// <param name="Since">For <see cref="ResumeMode.Since"/>, from when on; else null.</param>
    public sealed record ResumeDelivery(string ConnectionId, ResumeMode Mode, DateTimeOffset? Since)
        : ConnectionMessage(ConnectionId);

    /// <summary>A new rate, from now on and after restarts, until the configuration's own rate is changed. Answered with
    /// <see cref="DeliveryStatus"/> once it is on disk.</summary>
    /// <param name="ConnectionId">The connection.</param>
    /// <param name="PerSecond">Messages a second; 0: no limit.</param>
    /// <param name="Burst">Messages that may leave at once after a quiet time; at least 1.</param>
    public sealed record ChangeRate(string ConnectionId, int PerSecond, int Burst) : ConnectionMessage(ConnectionId);

    /// <summary>How does the connection deliver? Answered with <see cref="DeliveryStatus"/>.</summary>
    public sealed record GetDelivery(string ConnectionId) : ConnectionMessage(ConnectionId);
}

/// <summary>How a connection delivers: all that its gate knows.</summary>
/// <param name="ConnectionId">The connection.</param>
/// <param name="Mode">Whether it delivers.</param>
/// <param name="Reason">Why it does not: <c>paused</c>, <c>failing</c>, or the last failure's word, such as <c>status-401</c>
/// or <c>network-ConnectionError</c>; empty while running.</param>
/// <param name="Since">Since when it is in this mode.</param>
/// <param name="PerSecond">The rate that is set, in messages a second for the whole cluster; 0: no limit.</param>
/// <param name="Burst">The burst that is set.</param>
/// <param name="CurrentPerSecond">The rate that holds now: lower than the set one while an adaptive connection is told to
/// slow down; 0: no limit.</param>
/// <param name="IsAdaptive">Whether the rate follows the receiver's 429.</param>
/// <param name="ProbeAt">When an open breaker sends its next probe; null unless it is open.</param>
/// <param name="LastDeliveredAt">When the gate last heard of a message that was taken; null if never since it started.</param>
public sealed record DeliveryStatus(
    string ConnectionId,
    DeliveryMode Mode,
    string Reason,
    DateTimeOffset Since,
    int PerSecond,
    int Burst,
    double CurrentPerSecond,
    bool IsAdaptive,
    DateTimeOffset? ProbeAt,
    DateTimeOffset? LastDeliveredAt);
