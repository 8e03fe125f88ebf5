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

    /// <summary>Every fact that the homes recorded, in the order of the journal.</summary>
    /// <param name="homes">The homes.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async Task<ImmutableArray<PersonFact>> ReadFactsAsync(
        IEnumerable<PersonId> homes,
        CancellationToken cancellationToken)
    {
        var facts = await Source.From(homes)
            .MergeMany(HomesAtOnce, Facts)
            .Via(cancellationToken.AsFlow<(long Ordering, PersonFact Fact)>(cancelGracefully: false))
            .RunWith(Sink.Seq<(long Ordering, PersonFact Fact)>(), system.Materializer());
        return [.. facts.OrderBy(one => one.Ordering).Select(one => one.Fact)];
    }

    private Source<(long Ordering, IdentityDecision Decision), NotUsed> Decisions(PersonId home) =>
        Facts(home)
            .Scan((Before: (PersonState?)null, Decision: ((long, IdentityDecision)?)null), Follow)
            .Where(one => one.Decision is not null)
            .Select(one => one.Decision!.Value);

    private Source<(long Ordering, PersonFact Fact), NotUsed> Facts(PersonId home) =>
        PersistenceQuery.Get(system)
            .ReadJournalFor<SqlReadJournal>(SqlReadJournal.Identifier)
            .CurrentEventsByPersistenceId(home.PersistenceId, 0, long.MaxValue)
            .Select(envelope => (((Sequence)envelope.Offset).Value, (PersonFact)envelope.Event));

    private static (PersonState? Before, (long, IdentityDecision)? Decision) Follow(
        (PersonState? State, (long, IdentityDecision)? Decision) before,
        (long Ordering, PersonFact Fact) next) =>
        (Person.Evolve(before.State, next.Fact),
            IdentityDecision.Of(before.State, next.Fact) is { } decision ? (next.Ordering, decision) : null);
}
