using System.Collections.Immutable;
using Akka;
using Akka.Actor;
using Akka.Persistence.Query;
using Akka.Persistence.Sql.Query;
using Akka.Streams;
using Akka.Streams.Dsl;

namespace VarianceActors.Pipeline.People;

/// <summary>Reads what homes keep in the journal, without troubling the homes.</summary>
public sealed class PersonJournal(ActorSystem system)
{
    private const int HomesAtOnce = 4;

    /// <summary>Every decision about identity that the homes recorded, in the order of the journal; of a merge that two
    /// homes tell of, the telling of the one that asked.</summary>
    /// <param name="homes">The homes.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async Task<ImmutableArray<IdentityDecision>> ReadDecisionsAsync(
        IEnumerable<PersonId> homes,
        CancellationToken cancellationToken)
    {
        var told = await Source.From(homes)
            .MergeMany(HomesAtOnce, Decisions)
            .Via(cancellationToken.AsFlow<(long Ordering, IdentityDecision Decision)>(cancelGracefully: false))
            .RunWith(Sink.Seq<(long Ordering, IdentityDecision Decision)>(), system.Materializer());
        var asked = told.Where(one => !one.Decision.IsHeardOf).Select(one => one.Decision.At).ToHashSet();
        return
        [
            .. told
                .Where(one => !one.Decision.IsHeardOf || asked.Add(one.Decision.At))
                .OrderBy(one => one.Ordering)
                .Select(one => one.Decision),
        ];
    }

    /// <summary>The facts of one home, in order.</summary>
    public async Task<ImmutableArray<PersonFact>> ReadFactsOfAsync(PersonId home, CancellationToken cancellationToken) =>
        [
            .. await Facts(home)
                .Select(one => one.Fact)
                .Via(cancellationToken.AsFlow<PersonFact>(cancelGracefully: false))
                .RunWith(Sink.Seq<PersonFact>(), system.Materializer()),
        ];

    /// <summary>The facts of a root up to a moment, and all of the homes below it, in the order of the journal.</summary>
    /// <param name="found">The root, the moment, and its homes.</param>
    /// <param name="known">What was read of the same homes before: only what the root recorded since is read then; null
    /// if nothing was.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async Task<ImmutableArray<PersonFact>> ReadFactsAsync(
        HistoryFound found,
        (HistoryFound Found, ImmutableArray<PersonFact> Facts)? known,
        CancellationToken cancellationToken)
    {
        // Homes below a root record nothing any more, unless one has just come.
        if (known is { } before
            && before.Found.Root == found.Root
            && before.Found.Homes.ToHashSet().SetEquals(found.Homes))
        {
            return before.Found.Facts == found.Facts
                ? before.Facts
                : before.Facts.AddRange(
                    await ReadAsync([found.Root], found, after: before.Found.Facts, cancellationToken));
        }

        return await ReadAsync(found.Homes.Select(found.Root.Beside), found, after: 0, cancellationToken);
    }

    private async Task<ImmutableArray<PersonFact>> ReadAsync(
        IEnumerable<PersonId> homes,
        HistoryFound found,
        long after,
        CancellationToken cancellationToken)
    {
        var facts = await Source.From(homes)
            .MergeMany(HomesAtOnce, home => Facts(home, after, home == found.Root ? found.Facts : long.MaxValue))
            .Via(cancellationToken.AsFlow<(long Ordering, PersonFact Fact)>(cancelGracefully: false))
            .RunWith(Sink.Seq<(long Ordering, PersonFact Fact)>(), system.Materializer());
        return [.. facts.OrderBy(one => one.Ordering).Select(one => one.Fact)];
    }

    private Source<(long Ordering, IdentityDecision Decision), NotUsed> Decisions(PersonId home) =>
        Facts(home)
            .Scan((Before: (PersonState?)null, Decision: ((long, IdentityDecision)?)null), Follow)
            .Where(one => one.Decision is not null)
            .Select(one => one.Decision!.Value);

    private Source<(long Ordering, PersonFact Fact), NotUsed> Facts(
        PersonId home, long after = 0, long last = long.MaxValue) =>
        PersistenceQuery.Get(system)
            .ReadJournalFor<SqlReadJournal>(SqlReadJournal.Identifier)
            .CurrentEventsByPersistenceId(home.PersistenceId, after + 1, last)
            .Select(envelope => (((Sequence)envelope.Offset).Value, (PersonFact)envelope.Event));

    private static (PersonState? Before, (long, IdentityDecision)? Decision) Follow(
        (PersonState? State, (long, IdentityDecision)? Decision) before,
        (long Ordering, PersonFact Fact) next) =>
        (Person.Evolve(before.State, next.Fact),
            IdentityDecision.Of(before.State, next.Fact) is { } decision ? (next.Ordering, decision) : null);
}
