using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Views;

/// <summary>What the views learn of a person from one event, or from an operator's wish.</summary>
/// <param name="Person">Its uuid; empty: nobody has the ids any more.</param>
/// <param name="Version">Its version: what an older one says later does not count.</param>
/// <param name="Ids">Distinct ids that are this person's, the event's own first, then those that became this person's by
/// it.</param>
/// <param name="Account">The account that it belonged to when the event happened; null for none.</param>
public sealed record PersonNews(Guid Person, long Version, ImmutableArray<string> Ids, string? Account)
{
    /// <summary>The person, not with all its ids, which may be many; null if it is what it was, and is due when it was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PersonSnapshot? Shown { get; init; }

    /// <summary>Where it moved between accounts and stages; null for nowhere.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContactMove? Moved { get; init; }

    /// <summary>Contacts that ended by becoming part of it, or by coming apart.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<ContactEnded> Ended { get; init; }

    /// <summary>When the rules of stages must look at it again; null for never.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>What an event teaches.</summary>
    /// <param name="outcome">What the event became.</param>
    /// <param name="now">The person by now; null if there is none.</param>
    /// <param name="rules">The connection's.</param>
    /// <returns>Null if there is no person.</returns>
    public static PersonNews? Of(EventOutcome outcome, PersonSnapshot? now, ContactRules rules)
    {
        if (now is not { IsBorn: true })
        {
            return null;
        }

        var own = outcome.At.Event.DistinctId;
        return new PersonNews(
            now.PersonUuid,
            now.Version,
            [own, .. (outcome.Joined ?? now.DistinctIds).Where(id => id != own)],
            outcome.Account)
        {
            Shown = outcome.IsNews ? now with { DistinctIds = [own] } : null,
            Moved = outcome.Moved,
            Ended = outcome.Ended is { } ended ? [ended] : default,
            DueAt = outcome.IsNews && now.IsIdentified ? rules.DueAt(now.Contact, outcome.At.Event.ReceivedAt) : null,
        };
    }

    /// <summary>What an operator's wish made of a person.</summary>
    /// <param name="person">The person.</param>
    /// <param name="moved">Where it moved.</param>
    /// <param name="rules">The connection's.</param>
    /// <param name="lookedAt">When the rules looked at it last; null if that is not known, and a window may have ended
    /// since.</param>
    public static PersonNews Of(PersonSnapshot person, ContactMove? moved, ContactRules rules, DateTimeOffset? lookedAt) =>
        new(person.PersonUuid, person.Version, person.DistinctIds, person.Contact?.Account?.Key)
        {
            Shown = person,
            Moved = moved,
            DueAt = person.IsIdentified ? rules.DueAt(person.Contact, lookedAt ?? DateTimeOffset.MinValue) : null,
        };
}
