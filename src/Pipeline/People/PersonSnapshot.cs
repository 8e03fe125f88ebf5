using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Accounts;

namespace VarianceActors.Pipeline.People;

/// <summary>What the rest of the pipeline may know of a person at one moment.</summary>
/// <param name="PersonUuid">PostHog's person uuid (posthog.md A7).</param>
/// <param name="DistinctIds">All ids of the person; at least one.</param>
/// <param name="UserId">The id that <c>$identify</c> or <c>$create_alias</c> asserted; null while anonymous.</param>
/// <param name="IsIdentified">True once a merge event asserted identity; never false again.</param>
/// <param name="CreatedAt">The birth event's timestamp, or the older of two after a merge.</param>
/// <param name="Properties">The merged person properties, by name.</param>
/// <param name="Version">0 at birth, plus one for every change.</param>
public sealed record PersonSnapshot(
    Guid PersonUuid,
    ImmutableArray<string> DistinctIds,
    string? UserId,
    bool IsIdentified,
    DateTimeOffset CreatedAt,
    ImmutableDictionary<string, JsonValue> Properties,
    long Version)
{
    /// <summary>Account, stage, and what both are worked out from; null while there is nothing of it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContactState? Contact { get; init; }

    /// <summary>The account as it calls itself; null if there is none, or it was not asked.</summary>
    [JsonIgnore]
    public AccountCard? Account { get; init; }

    /// <summary>False for an id of which nobody was born.</summary>
    [JsonIgnore]
    public bool IsBorn => PersonUuid != Guid.Empty;

    /// <summary>An id of which nobody was born.</summary>
    internal static PersonSnapshot Unborn(string distinctId) => new(
        Guid.Empty, [distinctId], null, false, default, ImmutableDictionary<string, JsonValue>.Empty, 0);
}
