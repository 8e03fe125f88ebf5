using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.People;

/// <summary>How a connection's persons merge beyond PostHog's rules: the block <c>identity</c> of a
/// connection.</summary>
public sealed class IdentityOptions
{
    /// <summary>The number of the PostHog project, of which person uuids are made; 0: not given.</summary>
    [Range(0, int.MaxValue)]
    public int ProjectId { get; set; }

    /// <summary>What happens when an identified source meets a target that nobody has seen.</summary>
    public AttachUnseen AttachUnseen { get; set; }

    /// <summary>Most distinct ids of one person; 0 means no limit.</summary>
    [Range(0, 1_000_000)]
    public int DistinctIdsMax { get; set; }

    /// <summary>Whether persons whose e-mail addresses are of different companies stay apart.</summary>
    public bool KeepWorkDomainsApart { get; set; }

    /// <summary>Distinct ids that must not take part in merges, beside PostHog's illegal ones.</summary>
    public required IReadOnlyList<string> BlockedIds { get; set; }

    /// <summary>The rules that the options ask for.</summary>
    /// <param name="updateAllProperties">See <see cref="PeopleOptions.UpdateAllProperties"/>.</param>
    public PersonRules ToRules(bool updateAllProperties) => new(
        updateAllProperties,
        AttachUnseen,
        new MergeGuards(DistinctIdsMax, KeepWorkDomainsApart, [.. BlockedIds]))
    {
        Project = ProjectId == 0 ? null : ProjectId,
    };
}
