using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Inbox;

/// <summary>How events wait for their commit: the block <c>variance.inbox</c>.</summary>
public sealed class InboxOptions
{
    /// <summary>Slices of the work; fixed in the database at its first start.</summary>
    [Range(1, 1_024)]
    public int Partitions { get; set; }

    /// <summary>Events waiting for a commit; beyond it the answer is 503.</summary>
    [Range(1, 10_000_000)]
    public int QueueEventsMax { get; set; }

    /// <summary>Bytes of events waiting for a commit; beyond it the answer is 503.</summary>
    [Range(1_024, 1_073_741_824)]
    public int QueueBytesMax { get; set; }

    /// <summary>Events of one commit.</summary>
    [Range(1, 1_000_000)]
    public int CommitEventsMax { get; set; }

    /// <summary>After this long an uncommitted request is answered 503.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00")]
    public TimeSpan CommitTimeout { get; set; }
}
