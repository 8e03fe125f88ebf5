using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.People;

/// <summary>What happens when an identified person meets an id that nobody has seen (posthog.md A4, the quirk).</summary>
public enum UnseenId
{
    /// <summary>The id joins the identified person silently, as at PostHog.</summary>
    Posthog,

    /// <summary>The merge is refused and the id becomes a person of its own.</summary>
    Guarded,
}

/// <summary>How persons live: the block <c>variance.people</c>.</summary>
public sealed class PeopleOptions
{
    /// <summary>A person without events leaves memory after this long.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan IdleTimeout { get; set; }

    /// <summary>Facts between two snapshots of a person.</summary>
    [Range(1, 1_000_000)]
    public int SnapshotEvery { get; set; }

    /// <summary>Whether a change of volatile properties alone updates a person (posthog.md A6).</summary>
    public bool UpdateAllProperties { get; set; }

    /// <summary>What happens to ids that nobody has seen.</summary>
    public UnseenId AttachUnseen { get; set; }
}
