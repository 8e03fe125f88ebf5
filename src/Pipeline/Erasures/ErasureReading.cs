using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>What the history of a person says about others that know of it.</summary>
internal static class ErasureReading
{
    /// <summary>Keys of the accounts that a fact names.</summary>
    public static IEnumerable<string> AccountsIn(PersonFact fact)
    {
        var key = fact switch
        {
            PersonFact.EventApplied applied => applied.Turn?.Account?.Key,
            PersonFact.MergeEnded ended => ended.Settled.Turn?.Account?.Key,
            PersonFact.Absorbed absorbed => absorbed.Settled.Turn?.Account?.Key,
            PersonFact.Unsealed unsealed => unsealed.Settled?.Turn?.Account?.Key,
            PersonFact.AbsorbRefused refused => refused.Settled?.Turn?.Account?.Key,
            PersonFact.StagePinned pinned => pinned.Turn.Account?.Key,
            PersonFact.WindowEnded ended => ended.Turn.Account?.Key,
            PersonFact.Split split => split.Left?.Key,
            PersonFact.AccountRedirected redirected => redirected.Key,
            _ => null,
        };
        if (key is not null)
        {
            yield return key;
        }

        if (fact is PersonFact.Absorbed { Frozen.Profile.Contact.Account.Key: var frozen })
        {
            yield return frozen;
        }

        if (fact is PersonFact.Rewritten { Rest.Root: var root })
        {
            foreach (var account in root.FirstIds.Select(id => root.SeenFrom(id).Profile?.Contact?.Account?.Key).OfType<string>())
            {
                yield return account;
            }
        }
    }

    /// <summary>Keys of the accounts that a person belongs to.</summary>
    public static IEnumerable<string> AccountsOf(PersonSnapshot person) =>
        person.Contact?.Account is { Key: var key } ? [key] : [];

    /// <summary>Distinct ids that a fact names.</summary>
    public static IEnumerable<string> IdsIn(PersonFact fact) => fact switch
    {
        PersonFact.MergeAsked asked => IdsOf(asked.Merge.Ask),
        PersonFact.Sealed { Seal: var seal } => IdsOf(seal.Merge.Ask).Append(seal.Into.DistinctId),
        PersonFact.Unsealed { Asked: { } asked } => IdsOf(asked.Ask),
        PersonFact.AbsorbRefused refused => refused.Refusal.Asked is { } asked
            ? IdsOf(asked.Ask).Append(refused.Child.DistinctId)
            : [refused.Child.DistinctId],
        PersonFact.Absorbed { Frozen: var frozen } => frozen.Refused.Keys.Concat(frozen.Pending.SelectMany(one => IdsOf(one.Ask))),
        PersonFact.Split split => IdsOf(split.Undone.Ask).Concat(split.Persons.SelectMany(person => person.Ids)),
        PersonFact.Rewritten { Rest.Root: var root } => root.Refused.Keys,
        _ => [],
    };

    private static string[] IdsOf(MergeAsk ask) => [ask.SourceId, ask.TargetId];
}
