using System.Collections.Immutable;

namespace VarianceActors.Pipeline.People;

/// <summary>One of several persons of a root.</summary>
/// <param name="Profile">Null while it is not born.</param>
/// <param name="Ids">Its distinct ids in the order of joining; at least one.</param>
public sealed record PersonPart(PersonProfile? Profile, ImmutableArray<string> Ids);

/// <summary>A merge that was taken back.</summary>
/// <param name="Id">The merge.</param>
/// <param name="Ask">Its two ids: they stay apart unless they are merged dangerously, and that was not what was taken back.
/// </param>
public readonly record struct UndoneMerge(MergeId Id, MergeAsk Ask)
{
    /// <summary>True if a merge of the same two ids would undo the undoing: in any direction, or dangerously in the same one
    /// if that was taken back. Dangerously the other way round is how to merge them again on purpose.</summary>
    public bool Forbids(MergeAsk ask)
    {
        var isSame = (ask.SourceId, ask.TargetId) == (Ask.SourceId, Ask.TargetId);
        var isReverse = (ask.TargetId, ask.SourceId) == (Ask.SourceId, Ask.TargetId);
        return ask.Kind is MergeKind.Dangerous ? isSame && Ask.Kind is MergeKind.Dangerous : isSame || isReverse;
    }
}

/// <summary>What a root holds beside one person, once merges were taken back: links between homes stay for
/// ever.</summary>
/// <param name="Persons">The other persons of the root; none if they have become one again.</param>
/// <param name="Undone">The merges that were taken back, oldest first.</param>
public sealed record PersonsApart(ImmutableArray<PersonPart> Persons, ImmutableArray<UndoneMerge> Undone)
{
    /// <summary>The highest version among the other persons; -1 if none of them is born.</summary>
    internal long HighestVersion => Persons.IsEmpty ? -1 : Persons.Max(person => person.Profile?.Version ?? -1);

    /// <summary>What two roots hold beside the persons that join.</summary>
    public static PersonsApart? Join(PersonsApart? left, PersonsApart? right) => left is null || right is null
        ? left ?? right
        : new PersonsApart(left.Persons.AddRange(right.Persons), left.Undone.AddRange(right.Undone));

    /// <summary>True if a merge of these ids was taken back.</summary>
    public bool Forbids(MergeAsk ask)
    {
        foreach (var undone in Undone)
        {
            if (undone.Forbids(ask))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Without a person, and without the merges that name it.</summary>
    internal PersonsApart Without(ImmutableHashSet<string> ids) => new(
        Persons.RemoveAll(person => ids.Contains(person.Ids[0])),
        Undone.RemoveAll(undone => ids.Contains(undone.Id.DistinctId)
            || ids.Contains(undone.Ask.SourceId)
            || ids.Contains(undone.Ask.TargetId)));

    /// <summary>The place among <see cref="Persons"/> of the one that has the id; -1 if none has.</summary>
    public int PlaceOf(string distinctId)
    {
        for (var place = 0; place < Persons.Length; place++)
        {
            if (Persons[place].Ids.Contains(distinctId))
            {
                return place;
            }
        }

        return -1;
    }
}
