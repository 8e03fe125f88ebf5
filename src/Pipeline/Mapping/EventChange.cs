using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>What one event changed about its person; the snapshot beside it is the person after the change.</summary>
/// <param name="ContactChanged">True if the user id, <c>is_identified</c> or a property whose name does not begin with
/// <c>$</c> changed: what a contact shows.</param>
/// <param name="GivenUpIds">Ids that stopped being the person's id by a merge that succeeded, each once in the life of
/// the person: an alias to the user id is due for each (variance.md 4).</param>
public sealed record EventChange(bool ContactChanged, ImmutableArray<string> GivenUpIds)
{
    /// <summary>The event taught nothing.</summary>
    public static readonly EventChange None = new(false, []);

    /// <summary>The account of the person became known or another one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool AccountChanged { get; init; }

    /// <summary>Traits that the person, or one that it took in, had before: properties whose name does not begin with <c>$</c>,
    /// <c>company</c> and <c>stage</c>. What is not said again stays at the receiver, so each is sent as null, unless the person
    /// has it by then.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<string> Removed { get; init; }

    /// <summary>The move of the contact to another stage; null if it stayed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public StageMove? Stage { get; init; }

    /// <summary>The same with what became of account and stage.</summary>
    internal EventChange With(ContactTurn? before, ContactTurn? after) => after is null || after == before
        ? this
        : Without(ContactMove.Of(0, before, after)?.Lost ?? []) with
        {
            AccountChanged = after.Account is not null && after.Account.Key != before?.Account?.Key,
            Stage = after.Stage?.Name == before?.Stage?.Name
                ? null
                : new StageMove(before?.Stage?.Name, after.Stage?.Name, after.Stage!.Rule),
        };

    /// <summary>The same with more traits that the person had before.</summary>
    internal EventChange Without(IEnumerable<string> names)
    {
        ImmutableArray<string> removed = [.. (Removed.IsDefault ? [] : Removed).Union(names)];
        return removed.IsEmpty ? this : this with { Removed = removed };
    }
}
