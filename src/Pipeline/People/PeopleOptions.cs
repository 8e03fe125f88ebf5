using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.People;

/// <summary>How persons live: the block <c>variance.people</c>.</summary>
public sealed class PeopleOptions
{
    /// <summary>A person without events leaves memory after this long.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan IdleTimeout { get; set; }

    /// <summary>Facts between two snapshots of a person; as many as it has distinct ids, if those are more.</summary>
    [Range(1, 1_000_000)]
    public int SnapshotEvery { get; set; }

    /// <summary>Whether a change of volatile properties alone updates a person (posthog.md A6).</summary>
    public bool UpdateAllProperties { get; set; }

    /// <summary>Time after which an unanswered step of a merge is asked for again.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:10:00")]
    public TimeSpan MergeRetry { get; set; }

    /// <summary>Shards of the region; the same on every node, and never changed.</summary>
    [Range(1, 10_000)]
    public int Shards { get; set; }
}
