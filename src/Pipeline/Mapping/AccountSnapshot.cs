using System.Collections.Immutable;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>What messages say of the account that a contact belongs to.</summary>
/// <param name="Id">The account's id, for Variance the <c>groupId</c>.</param>
/// <param name="Name">Its name; null if none is known.</param>
/// <param name="Stage">Its stage; null if it has none.</param>
/// <param name="Domains">Its e-mail domains.</param>
/// <param name="Traits">The merged <c>$group_set</c> properties, by name.</param>
public sealed record AccountSnapshot(
    string Id,
    string? Name,
    string? Stage,
    ImmutableArray<string> Domains,
    ImmutableDictionary<string, JsonValue> Traits);
