using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Metering;

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

    /// <summary>Of what waits in the outbox those of events accepted since a given time, and every alias; older ones are skipped and counted as such.</summary>
    Since = 2,

    /// <summary>The newest traits of each contact and account, and every alias; page views, screens and actions that wait
    /// are skipped, snapshots of which later ones tell every trait anew coalesced, and both counted as such.</summary>
    Latest = 3,
}

/// <summary>What may be said to the gate of a connection, from anywhere in the cluster.</summary>
/// <param name="ConnectionId">The connection.</param>
public abstract record ConnectionMessage(string ConnectionId)
{
    /// <summary>Stop sending and keep everything. Answered with <see cref="DeliveryStatus"/> once it is on disk.</summary>
    public sealed record PauseDelivery(string ConnectionId) : ConnectionMessage(ConnectionId);

    /// <summary>Send again: ends a pause, closes an open breaker, and waits no longer because of a 429. Answered with <see cref="DeliveryStatus"/> once it is
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

    /// <summary>What a slice needs, and how its attempts went since it last said so. Answered with
    /// <see cref="PermitsGranted"/>, now or as soon as there are permits. May be lost: a slice that still needs permits
    /// says so again.</summary>
    /// <param name="ConnectionId">The connection.</param>
    /// <param name="Partition">The slice.</param>
    /// <param name="Live">How many messages could be sent now.</param>
    /// <param name="Backfill">The same for messages of backfill.</param>
    /// <param name="Unused">Permits that were granted and not used.</param>
    /// <param name="UnusedEpoch">Which grants those belong to.</param>
    /// <param name="Taken">Attempts that got an answer which does not speak against the connection.</param>
    /// <param name="Failed">Attempts that failed, also those that were throttled.</param>
    /// <param name="Throttled">Attempts that were answered 429.</param>
    /// <param name="Reason">Why the last one failed; empty if none did.</param>
    /// <param name="WrongSetup">Whether an attempt told that the connection is set up wrongly.</param>
    /// <param name="Probe">What came of a probe; null if there was none.</param>
    public sealed record SliceReport(
        string ConnectionId,
        int Partition,
        int Live,
        int Backfill,
        int Unused,
        long UnusedEpoch,
        int Taken,
        int Failed,
        int Throttled,
        string Reason,
        bool WrongSetup,
        ProbeResult? Probe) : ConnectionMessage(ConnectionId)
    {
        /// <summary>For how long from now the receiver wants to be left alone, in milliseconds; null if it did not say so.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public long? HoldMilliseconds { get; init; }

        /// <summary>Attempts that were answered 2xx, a part of <see cref="Taken"/>; null from a build that does not tell them
        /// apart.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public int? Delivered { get; init; }

        /// <summary>How long those of <see cref="Delivered"/> that are no replays took since their events were accepted: a step of
        /// <see cref="LatencyWindow"/>, how many messages, the next step, and so on. Default if there were none, or from a build
        /// that does not tell.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
        public ImmutableArray<int> Latencies { get; init; }

        /// <summary>When the slice said so, in milliseconds of its own clock; null from a build that does not say.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public long? At { get; init; }
    }

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
/// <param name="LastDeliveredAt">When the gate last heard of a message that was answered 2xx; null if never since it
/// started.</param>
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
    DateTimeOffset? LastDeliveredAt)
{
    /// <summary>Until when the receiver wants to be left alone, by a 429 with <c>Retry-After</c>; null if it did not say so.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? HoldUntil { get; init; }

    /// <summary>Messages that the whole cluster delivered a second in the last minutes, as far as the gate has heard of them since
    /// it started.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double DeliveredPerSecond { get; init; }

    /// <summary>How long messages of the whole cluster took in the last minutes, from accepted to delivered, as far as the gate has
    /// heard of them since it started; null if it has heard of none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public LatencyPercentiles? Latency { get; init; }
}

/// <summary>What came of a probe.</summary>
public enum ProbeResult
{
    /// <summary>It was not sent.</summary>
    Unused = 1,

    /// <summary>The receiver took it, or refused this very message.</summary>
    Through = 2,

    /// <summary>It failed.</summary>
    Failed = 3,
}

/// <summary>What a slice may send, and when: a schedule that begins when it arrives.</summary>
/// <param name="Live">Permits for ordinary messages: microseconds until each may be used, in order.</param>
/// <param name="Backfill">The same for messages of backfill.</param>
/// <param name="Patience">For how many microseconds after its time a permit may be used.</param>
/// <param name="Epoch">Goes back with permits that are not used.</param>
/// <param name="IsPlenty">Whether there is no limit, so that some may be taken in stock.</param>
/// <param name="IsProbe">Whether it is one permit, for a probe.</param>
/// <param name="IsRevoked">Whether everything granted before must not be used any more.</param>
/// <param name="SkipMode">What is not sent of what waited when an operator resumed the connection.</param>
/// <param name="SkipBefore">With <see cref="ResumeMode.Since"/>: only of events accepted before this.</param>
/// <param name="TakenAt">When a message of the connection was last answered 2xx; null if the gate knows of none.</param>
public sealed record PermitsGranted(
    ImmutableArray<long> Live,
    ImmutableArray<long> Backfill,
    long Patience,
    long Epoch,
    bool IsPlenty,
    bool IsProbe,
    bool IsRevoked,
    ResumeMode SkipMode,
    DateTimeOffset SkipBefore,
    DateTimeOffset? TakenAt)
{
    /// <summary>The time of the slice's last report, by the slice's clock; null if it did not say it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? AskedAt { get; init; }

    /// <summary>For how many milliseconds the gate had that report when it sent this.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long HeldFor { get; init; }

    /// <summary>Below which position of the slice that lay which <see cref="SkipMode"/> is about; null if it is about all
    /// messages, or from a build that has nothing but <see cref="SkipBefore"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? SkipBelow { get; init; }
}
