using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;

namespace VarianceActors.Pipeline.People;

/// <summary>What to do when an identified source meets a target that was never seen (posthog.md A4).</summary>
public enum AttachUnseen
{
    /// <summary>As PostHog's Postgres backend: the target joins the identified person silently.</summary>
    Posthog,

    /// <summary>As its documentation says: refused, the target gets its own person.</summary>
    Guarded,
}

/// <summary>Refusals that a connection adds to PostHog's.</summary>
/// <param name="DistinctIdsMax">Most distinct ids of one person; 0 means no limit.</param>
/// <param name="KeepWorkDomainsApart">Refuses to merge persons whose e-mail addresses are of different companies, as
/// <see cref="AccountMatching.WorkDomainOf"/> knows them.</param>
/// <param name="BlockedIds">Distinct ids that must not take part in merges, beside PostHog's illegal ones.</param>
public sealed record MergeGuards(
    int DistinctIdsMax,
    bool KeepWorkDomainsApart,
    ImmutableHashSet<string> BlockedIds)
{
    /// <summary>Nothing beyond PostHog's own rules.</summary>
    public static readonly MergeGuards None = new(0, false, []);
}

/// <summary>What a connection decides about its persons.</summary>
/// <param name="UpdateAllProperties">PostHog's PERSON_PROPERTIES_UPDATE_ALL: also write changes of filtered properties
/// only.</param>
/// <param name="AttachUnseen">The attach quirk.</param>
/// <param name="Guards">Refusals beyond PostHog's.</param>
public sealed record PersonRules(bool UpdateAllProperties, AttachUnseen AttachUnseen, MergeGuards Guards)
{
    /// <summary>PostHog's own behaviour.</summary>
    public static readonly PersonRules Posthog = new(false, AttachUnseen.Posthog, MergeGuards.None);

    /// <summary>The number of the PostHog project; null if it is not known.</summary>
    public long? Project { get; init; }

    /// <summary>What the connection makes of its persons: accounts and stages.</summary>
    public ContactRules Contacts { get; init; } = ContactRules.None;

    /// <summary>So many refused seals a root remembers, the newest ones: enough to answer a child again whose answer was
    /// lost.</summary>
    internal int RefusalsKept { get; init; } = 128;

    /// <summary>Steps of the merge protocol to leave out; only tests that prove the steps necessary set it.</summary>
    internal ProtocolFaults Faults { get; init; }
}

/// <summary>Each fault leaves one step of the protocol out, so that tests can show that it is needed.</summary>
[Flags]
internal enum ProtocolFaults
{
    None = 0,
    NoFreezeWhileSealed = 1,
    AbsorbedChildrenForgotten = 2,
    LinkInTheEventsDirection = 4,
    CursorsNotMoved = 8,
    PendingMergeNotMoved = 16,
    SealedNodeAbsorbs = 32,
    SealNumberNotChecked = 64,
    ForgottenRefusalsJudgedAgain = 128,
}
