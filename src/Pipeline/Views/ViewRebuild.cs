using System.Collections.Immutable;
using Akka.Actor;
using Akka.Persistence.Query;
using Akka.Persistence.Sql.Query;
using Akka.Streams;
using Akka.Streams.Dsl;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>What a rebuild found.</summary>
/// <param name="Persons">Persons, those who are no contacts among them.</param>
/// <param name="Accounts">Accounts.</param>
public sealed record RebuiltViews(int Persons, int Accounts);

/// <summary>
/// Makes the views anew from the journal while no pipeline runs: contacts, accounts, who has which id, search, and how many
/// are in which stage. Of memberships and moves between stages it adds what is missing. The journal holds no page views, so
/// what was counted of events, the last events and when somebody was last seen stay as they are. May be repeated.
/// </summary>
/// <param name="system">An actor system with the journal.</param>
/// <param name="parts">The stores.</param>
public sealed class ViewRebuild(ActorSystem system, PipelineParts parts)
{
    private const int JournalsAtOnce = 4;
    private const int EntriesPerTransaction = 500;

    private static readonly ImmutableArray<Statement> Clear =
    [
        new("DELETE FROM view_contact WHERE connection = @connection"),
        new("DELETE FROM view_term WHERE connection = @connection"),
        new("DELETE FROM view_prefix WHERE connection = @connection"),
        new("DELETE FROM view_due WHERE connection = @connection"),
        new("DELETE FROM view_stage_total WHERE connection = @connection"),
        new("UPDATE view_id SET person = NULL, version = -1 WHERE connection = @connection"),
        new("UPDATE view_account SET version = 0 WHERE connection = @connection"),
    ];

    /// <summary>Makes them anew.</summary>
    public async Task<RebuiltViews> RunAsync(CancellationToken cancellationToken)
    {
        foreach (var connection in parts.Layout.NumberByConnection.Values)
        {
            foreach (var statement in Clear)
            {
                await parts.Database.WriteAsync(session => session.Execute(statement, connection), cancellationToken);
            }

            await parts.Database.WriteAsync(
                session =>
                {
                    WalkStatements.Forget(session, connection);
                    return true;
                },
                cancellationToken);
        }

        var persons = await ReadAsync<PersonFact, PersonHistoryRead>(
            PersonId.PersistenceIdOf(""), (read, fact) => (read ?? new()).With(fact, parts.Options), cancellationToken);
        var accounts = await ReadAsync<AccountFact, AccountHistoryRead>(
            AccountId.PersistenceIdOf(""), (read, fact) => (read ?? new()).With(fact), cancellationToken);
        return new RebuiltViews(persons, accounts);
    }

    private async Task<int> ReadAsync<TFact, TRead>(
        string prefix, Func<TRead?, TFact, TRead> follow, CancellationToken cancellationToken)
        where TRead : class, IJournalRead
    {
        var journal = PersistenceQuery.Get(system).ReadJournalFor<SqlReadJournal>(SqlReadJournal.Identifier);
        var counted = 0;
        await journal.CurrentPersistenceIds()
            .Where(id => id.StartsWith(prefix, StringComparison.Ordinal))
            .Via(cancellationToken.AsFlow<string>(cancelGracefully: false))
            .SelectAsync(JournalsAtOnce, id => journal
                .CurrentEventsByPersistenceId(id, 0, long.MaxValue)
                .Select(envelope => (TFact)envelope.Event)
                .RunAggregate((TRead?)null, (read, fact) => follow(read, fact), system.Materializer()))
            .Where(read => read is not null && parts.Layout.NumberByConnection.ContainsKey(read.ConnectionId))
            .Grouped(EntriesPerTransaction)
            .SelectAsync(1, reads => FoldAsync(reads))
            .RunForeach(items => counted += items, system.Materializer());
        return counted;
    }

    private Task<int> FoldAsync(IEnumerable<IJournalRead?> reads)
    {
        var byConnection = reads.OfType<IJournalRead>().ToLookup(read => read.ConnectionId);
        return parts.Database.WriteAsync(session =>
        {
            var items = 0;
            foreach (var connection in byConnection)
            {
                var rules = new ViewRules(parts.Options.Connections[connection.Key]);
                var number = parts.Layout.NumberByConnection[connection.Key];
                var fold = new ViewFold(session, number, parts.Options.Views.RecentEvents);
                foreach (var entry in connection.SelectMany(read => read.Entries(rules, parts)))
                {
                    fold.Take(entry);
                    items += entry is AccountEntry or PersonEntry { IsNoContact: true } or PersonEntry { Face: not null } ? 1 : 0;
                }

                fold.Write();
            }

            return items;
        });
    }

    /// <summary>What is followed of one journal.</summary>
    private interface IJournalRead
    {
        string ConnectionId { get; }

        IEnumerable<ViewEntry> Entries(ViewRules rules, PipelineParts parts);
    }

    private sealed class AccountHistoryRead : IJournalRead
    {
        private readonly List<AccountStep> _steps = [];
        private AccountState? _state;

        public string ConnectionId => _state!.Id.ConnectionId;

        public AccountHistoryRead With(AccountFact fact)
        {
            var from = _state?.Stage?.Name;
            _state = Account.Evolve(_state, fact);
            if (fact is AccountFact.StageMoved { Place: var place } && (place.Name != from || place.ChangedAt is not null))
            {
                var entered = _steps.LastOrDefault(step => step.From != step.To)?.At;
                _steps.Add(new AccountStep(
                    _state.Version, place.At, from ?? "", entered, place.Name ?? "", place.Rule, place.Operator));
            }

            return this;
        }

        // The account itself remembers only its newest moves.
        public IEnumerable<ViewEntry> Entries(ViewRules rules, PipelineParts parts) =>
            [ViewOfAccount.Of(_state!, 0) with { Steps = [.. _steps] }];
    }

    // A home that became part of another one tells only what its person had been before.
    private sealed class PersonHistoryRead : IJournalRead
    {
        private readonly List<PersonEntry> _moves = [];
        private PersonState? _state;

        public string ConnectionId => _state!.Id.ConnectionId;

        public PersonHistoryRead With(PersonFact fact, PipelineOptions options)
        {
            if (options.Connections.ContainsKey((_state?.Id ?? fact.Home!).ConnectionId))
            {
                var before = _state;
                _state = Person.Evolve(_state, fact);
                Note(before, _state, fact);
            }
            else
            {
                _state = Person.Evolve(_state, fact);
            }

            return this;
        }

        public IEnumerable<ViewEntry> Entries(ViewRules rules, PipelineParts parts)
        {
            foreach (var move in _moves)
            {
                yield return move;
            }

            if (_state is not { Parent: null } root)
            {
                yield break;
            }

            var contacts = parts.Options.Connections[ConnectionId].ToContactRules();
            foreach (var id in root.Root.FirstIds)
            {
                if (root.Snapshot(id) is { } person)
                {
                    foreach (var entry in rules.Of(person.CreatedAt, PersonNews.Of(person, null, contacts, lookedAt: null)))
                    {
                        yield return entry;
                    }
                }
            }
        }

        // What was erased had its history with it: where those who are left moved, the tables know alone.
        private void Note(PersonState? before, PersonState after, PersonFact fact)
        {
            if (after.Parent is not null || fact is PersonFact.Rewritten)
            {
                return;
            }

            var (held, there) = (Profiles(before?.Root), Profiles(after.Root));
            if (fact is PersonFact.Absorbed { Frozen: var frozen })
            {
                foreach (var (uuid, profile) in Profiles(frozen))
                {
                    held.TryAdd(uuid, profile);
                }
            }

            foreach (var (uuid, profile) in there)
            {
                var was = held.GetValueOrDefault(uuid);
                if (ContactMove.Of(profile.Version, was?.Contact?.Turn, profile.Contact?.Turn) is { } move)
                {
                    Add(profile, fact is PersonFact.Split split ? move.BroughtBack(At(split)) : move);
                }
            }

            // Of a merge it is the version of who took it in, of a split what its own would be.
            var version = Settled(fact) is { } settled ? after.Root.SeenFrom(settled.Merge.DistinctId).Profile?.Version : null;
            foreach (var (uuid, ended) in held)
            {
                if ((ended.IsIdentified || ended.Contact?.Account is not null) && !there.ContainsKey(uuid))
                {
                    Add(ended, ContactEnded.Of(uuid, ended.Contact?.Turn, version ?? ended.Version + 1).ToMove());
                }
            }

            void Add(PersonProfile profile, ContactMove move) => _moves.Add(
                new PersonEntry(AtOf(before, fact, profile), profile.Uuid, -1, [after.Id.DistinctId], "") { Moved = move });
        }

        private static SettledMerge? Settled(PersonFact fact) => fact switch
        {
            PersonFact.Absorbed absorbed => absorbed.Settled,
            PersonFact.MergeEnded ended => ended.Settled,
            _ => null,
        };

        private static Dictionary<Guid, PersonProfile> Profiles(PersonRoot? root) => root is null
            ? []
            : root.FirstIds.Select(id => root.SeenFrom(id).Profile).OfType<PersonProfile>()
                .DistinctBy(profile => profile.Uuid)
                .ToDictionary(profile => profile.Uuid);

        private static DateTimeOffset At(PersonFact.Split split) => split.At ?? split.Event.Timestamp;

        private static DateTimeOffset AtOf(PersonState? before, PersonFact fact, PersonProfile profile) => fact switch
        {
            PersonFact.EventApplied applied => applied.Event.Timestamp,
            PersonFact.WindowEnded ended => ended.At,
            PersonFact.Split split => At(split),
            PersonFact.MergeEnded ended => before?.Root.PendingOf(ended.Settled.Merge)?.Event.Timestamp ?? profile.CreatedAt,
            PersonFact.Absorbed absorbed => (before?.Root.PendingOf(absorbed.Settled.Merge)
                ?? absorbed.Frozen.PendingOf(absorbed.Settled.Merge))?.Event.Timestamp ?? profile.CreatedAt,
            _ => profile.Contact?.Stage?.At ?? profile.CreatedAt,
        };
    }
}
