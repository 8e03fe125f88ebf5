using System.Collections.Immutable;
using Akka.Actor;
using Akka.Persistence.Query;
using Akka.Persistence.Sql.Query;
using Akka.Streams;
using Akka.Streams.Dsl;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline;

/// <summary>Who would move.</summary>
/// <param name="Id">A contact's user id, or an account's id.</param>
/// <param name="Move">From where to where, and by which rule.</param>
public sealed record PreviewedMove(string Id, StageMove Move);

/// <summary>What changed rules would do.</summary>
/// <param name="ContactsSeen">How many contacts there are.</param>
/// <param name="AccountsSeen">How many accounts there are.</param>
/// <param name="Contacts">The contacts that would move, at most the number asked for.</param>
/// <param name="ContactMoves">How many contacts would move.</param>
/// <param name="Accounts">The accounts that would move, likewise.</param>
/// <param name="AccountMoves">How many accounts would move.</param>
public sealed record StagePreviewAnswer(
    int ContactsSeen,
    int AccountsSeen,
    ImmutableArray<PreviewedMove> Contacts,
    int ContactMoves,
    ImmutableArray<PreviewedMove> Accounts,
    int AccountMoves);

/// <summary>Works out from the stored facts who would move under other stages, and changes nothing. It reads the journals
/// of all persons and accounts of a connection one after the other, so memory grows with the accounts only.</summary>
public sealed class StagePreview(ActorSystem system)
{
    private const int JournalsAtOnce = 4;

    /// <summary>Who would move now.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="rules">Its rules with the other stages.</param>
    /// <param name="now">Where windows of time end.</param>
    /// <param name="shownMax">How many moves are listed of each kind.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async Task<StagePreviewAnswer> PreviewAsync(
        string connectionId,
        ContactRules rules,
        DateTimeOffset now,
        int shownMax,
        CancellationToken cancellationToken)
    {
        var preview = new Preview(connectionId, rules, now, shownMax);
        await ReadAsync<PersonFact, PersonState>(
            PersonId.PersistenceIdOf(""), Person.Evolve, preview.See, cancellationToken);
        await ReadAsync<AccountFact, AccountState>(
            AccountId.PersistenceIdOf(""), Account.Evolve, preview.See, cancellationToken);
        return preview.Answer();
    }

    private Task ReadAsync<TFact, TState>(
        string prefix,
        Func<TState?, TFact, TState> evolve,
        Action<TState> see,
        CancellationToken cancellationToken)
        where TState : class
    {
        var journal = PersistenceQuery.Get(system).ReadJournalFor<SqlReadJournal>(SqlReadJournal.Identifier);
        return journal.CurrentPersistenceIds()
            .Where(id => id.StartsWith(prefix, StringComparison.Ordinal))
            .Via(cancellationToken.AsFlow<string>(cancelGracefully: false))
            .SelectAsync(JournalsAtOnce, id => journal
                .CurrentEventsByPersistenceId(id, 0, long.MaxValue)
                .Select(envelope => (TFact)envelope.Event)
                .RunAggregate((TState?)null, (state, fact) => evolve(state, fact), system.Materializer()))
            .RunForeach(
                state =>
                {
                    if (state is not null)
                    {
                        see(state);
                    }
                },
                system.Materializer());
    }

    private sealed class Preview(string connectionId, ContactRules rules, DateTimeOffset now, int shownMax)
    {
        private readonly ImmutableArray<PreviewedMove>.Builder _contacts = ImmutableArray.CreateBuilder<PreviewedMove>();
        private readonly ImmutableArray<PreviewedMove>.Builder _accounts = ImmutableArray.CreateBuilder<PreviewedMove>();
        private readonly Dictionary<string, (int All, int[] Matching)> _byAccount = [];
        private int _contactsSeen;
        private int _contactMoves;
        private int _accountsSeen;
        private int _accountMoves;

        public void See(PersonState state)
        {
            if (state.Id.ConnectionId != connectionId || state.Parent is not null)
            {
                return;
            }

            foreach (var id in state.Root.FirstIds)
            {
                if (state.Root.SeenFrom(id).Profile is { IsIdentified: true } profile)
                {
                    See(profile);
                }
            }
        }

        public void See(AccountState state)
        {
            if (state.Id.ConnectionId != connectionId)
            {
                return;
            }

            _accountsSeen++;
            var (all, matching) = _byAccount.GetValueOrDefault(state.Id.Key, NoContacts());
            var after = Account.MoveOf(state, rules.AccountStages, now, (all, [.. matching]));
            if (after?.Name != state.Stage?.Name)
            {
                _accountMoves++;
                Show(_accounts, state.Id.Key, state.Stage, after!);
            }
        }

        public StagePreviewAnswer Answer() => new(
            _contactsSeen,
            _accountsSeen,
            _contacts.DrainToImmutable(),
            _contactMoves,
            _accounts.DrainToImmutable(),
            _accountMoves);

        private void See(PersonProfile profile)
        {
            _contactsSeen++;
            var before = profile.Contact?.Turn;
            var after = rules.Look(profile.Contact, profile.Properties, isIdentified: true, now) ?? before;
            Count(profile.Contact?.Into ?? after?.Account?.Key, after?.Matches ?? 0);
            if (after?.Stage?.Name != before?.Stage?.Name)
            {
                _contactMoves++;
                Show(_contacts, profile.UserId!, before?.Stage, after!.Stage!);
            }
        }

        private void Count(string? account, ulong matches)
        {
            if (account is null)
            {
                return;
            }

            var (all, matching) = _byAccount.GetValueOrDefault(account, NoContacts());
            for (var number = 0; number < matching.Length; number++)
            {
                matching[number] += (int)((matches >> number) & 1);
            }

            _byAccount[account] = (all + 1, matching);
        }

        private (int All, int[] Matching) NoContacts() => (0, new int[rules.AccountStages.OverContacts.Length]);

        private void Show(
            ImmutableArray<PreviewedMove>.Builder moves,
            string id,
            StagePlace? from,
            StagePlace to)
        {
            if (moves.Count < shownMax)
            {
                moves.Add(new PreviewedMove(id, new StageMove(from?.Name, to.Name, to.Rule)));
            }
        }
    }
}
