using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>How messages are posted, for all connections: the block <c>variance.delivery</c>.</summary>
public sealed class DeliveryOptions
{
    /// <summary>One attempt, from connecting to the status of the answer; never above <see cref="Deadline"/>.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00")]
    public TimeSpan AttemptTimeout { get; set; }

    /// <summary>One attempt with everything about it, also the part of the answer that is kept.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00")]
    public TimeSpan Deadline { get; set; }

    /// <summary>Persons delivered side by side per delivery partition: messages that are on the wire, or answered and not yet
    /// committed.</summary>
    [Range(1, 4_096)]
    public int LanesMax { get; set; }

    /// <summary>Messages in memory per delivery partition.</summary>
    [Range(1, 1_000_000)]
    public int WindowMessages { get; set; }

    /// <summary>Bytes of messages in memory per delivery partition.</summary>
    [Range(1_024, 268_435_456)]
    public int WindowBytesMax { get; set; }

    /// <summary>Requests in flight per connection on one node.</summary>
    [Range(1, 4_096)]
    public int InFlightMax { get; set; }

    /// <summary>Persons that wait per delivery partition, each with its messages on disk; at the limit nothing more is read.</summary>
    [Range(1, 1_000_000)]
    public int HeldLanesMax { get; set; }

    /// <summary>Persons of a delivery partition whose backfill waits for its turn.</summary>
    [Range(1, 10_000_000)]
    public int ShelvedLanesMax { get; set; }

    /// <summary>A person whose first message takes longer than this does not take up the window: its others go to disk.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan SlowAfter { get; set; }

    /// <summary>A snapshot that waits for longer than this is not sent if a later one says everything that it says.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "365.00:00:00")]
    public TimeSpan CoalesceAfter { get; set; }

    /// <summary>The part of permits and requests in flight, in percent, that backfill may have while other messages wait.</summary>
    [Range(1, 100)]
    public int BackfillPercent { get; set; }

    /// <summary>Attempts after the first one.</summary>
    public required RetryOptions Retry { get; set; }

    /// <summary>When a connection is left alone.</summary>
    public required BreakerOptions Breaker { get; set; }
}

/// <summary>Pauses between attempts: the block <c>variance.delivery.retry</c>.</summary>
public sealed class RetryOptions
{
    /// <summary>The first pause, before jitter; never above <see cref="DelayMax"/>.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan DelayFirst { get; set; }

    /// <summary>The longest pause.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan DelayMax { get; set; }

    /// <summary>A message that fails for so long while others succeed becomes a dead letter.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "365.00:00:00")]
    public TimeSpan Budget { get; set; }

    /// <summary>The longest <c>Retry-After</c> that is obeyed.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "7.00:00:00")]
    public TimeSpan RetryAfterMax { get; set; }
}

/// <summary>When a connection is left alone because nothing gets through: the block <c>variance.delivery.breaker</c>.</summary>
public sealed class BreakerOptions
{
    /// <summary>The share of failed attempts, in percent, that opens it.</summary>
    [Range(1, 100)]
    public int FailurePercent { get; set; }

    /// <summary>Of how many attempts at least.</summary>
    [Range(1, 1_000_000)]
    public int AttemptsMin { get; set; }

    /// <summary>Over what time.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan Sample { get; set; }

    /// <summary>Of how many attempts at least it opens if all failed.</summary>
    [Range(1, 1_000_000)]
    public int QuietAttemptsMin { get; set; }

    /// <summary>Over what time.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan QuietSample { get; set; }

    /// <summary>The wait before the first probe; it doubles with every probe that fails; never above <see cref="ProbeMax"/>.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "01:00:00")]
    public TimeSpan ProbeFirst { get; set; }

    /// <summary>The longest wait between two probes.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "1.00:00:00")]
    public TimeSpan ProbeMax { get; set; }
}
