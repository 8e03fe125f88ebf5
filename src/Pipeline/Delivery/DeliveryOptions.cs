using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>How messages are posted, for all connections: the block <c>variance.delivery</c>.</summary>
public sealed class DeliveryOptions
{
    /// <summary>One attempt, from connecting to the end of the answer.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00")]
    public TimeSpan AttemptTimeout { get; set; }

    /// <summary>Persons delivered side by side per delivery partition.</summary>
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

    /// <summary>Attempts after the first one.</summary>
    public required RetryOptions Retry { get; set; }
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
