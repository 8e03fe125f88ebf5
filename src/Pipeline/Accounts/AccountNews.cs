using System.Collections.Immutable;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What a person has to tell accounts before its answer may leave. Everything in it may be told again: the
/// person's version decides what is new.</summary>
public static class AccountNews
{
    /// <summary>What follows from the outcomes of a command.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="outcomes">In the order of the events.</param>
    /// <param name="rules">The connection's.</param>
    /// <param name="hasCard">Whether it is known, when an event is received, how an account calls itself: the messages of a
    /// changed contact say so.</param>
    /// <returns>The accounts and what each is told.</returns>
    public static ImmutableArray<ObserveAccount> Of(
        string connectionId,
        ImmutableArray<EventOutcome> outcomes,
        ContactRules rules,
        Func<string, DateTimeOffset, bool> hasCard)
    {
        if (rules.Matching is null)
        {
            return [];
        }

        var news = new News(connectionId);
        foreach (var outcome in outcomes)
        {
            if (outcome.Refusal is not null)
            {
                continue;
            }

            news.Leave(outcome.Person, outcome.Left, outcome.At.Event.Timestamp);
            var needsCard = outcome.Change.ContactChanged || outcome.Change.AccountChanged;
            var key = outcome.Person?.Contact?.Account?.Key ?? "";
            if (outcome.TellsAccount || (needsCard && !hasCard(key, outcome.At.Event.ReceivedAt)))
            {
                news.Join(outcome.Person, outcome.At.Event.Timestamp);
            }

            var group = rules.GroupOf(outcome.At.Event);
            if (group is { Key: { } named } && !group.Set.IsEmpty)
            {
                news.Set(named, new GroupSays(
                    outcome.At.Event.Uuid,
                    group.Type,
                    outcome.At.Event.Timestamp,
                    group.Set));
            }
        }

        // Stages are entered when it is learnt, as those of contacts are, and not when a device says that it happened.
        return news.Told(outcomes.IsEmpty ? null : outcomes.Max(outcome => outcome.At.Event.ReceivedAt));
    }

    /// <summary>What a person says of its membership without an event.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="person">The person.</param>
    /// <param name="left">Memberships that it ended.</param>
    /// <param name="at">When.</param>
    public static ImmutableArray<ObserveAccount> Of(
        string connectionId,
        PersonSnapshot person,
        ImmutableArray<AccountLeft> left,
        DateTimeOffset at)
    {
        var news = new News(connectionId);
        news.Leave(person, left, at);
        news.Join(person, at);
        return news.Told(null);
    }

    private sealed class News(string connectionId)
    {
        private readonly SortedDictionary<string, Told> _byAccount = new(StringComparer.Ordinal);

        public void Leave(PersonSnapshot? person, ImmutableArray<AccountLeft> left, DateTimeOffset at)
        {
            foreach (var (uuid, key) in left)
            {
                Of(key).Members[uuid] = new MemberSays(uuid, person!.Version, null, at);
            }
        }

        // Visitors are no members: an account is told of contacts only.
        public void Join(PersonSnapshot? person, DateTimeOffset at)
        {
            if (person is not { IsIdentified: true, Contact.Turn: { Account: { } link } turn })
            {
                return;
            }

            var contact = new AccountContact(
                person.DistinctIds[0],
                person.UserId,
                link.Rule,
                link.Value,
                turn.Domain,
                turn.AccountName,
                turn.Stage?.Name,
                turn.Matches,
                turn.MatchesOf);
            Of(link.Key).Members[person.PersonUuid] = new MemberSays(person.PersonUuid, person.Version, contact, at);
        }

        public void Set(string key, GroupSays says) => Of(key).Groups.Add(says);

        public ImmutableArray<ObserveAccount> Told(DateTimeOffset? lookAt) =>
        [
            .. _byAccount.Select(account => new ObserveAccount(
                new AccountId(connectionId, account.Key),
                "",
                [.. account.Value.Members.Values],
                [.. account.Value.Groups]) { LookAt = lookAt }),
        ];

        private Told Of(string key)
        {
            if (!_byAccount.TryGetValue(key, out var told))
            {
                _byAccount[key] = told = new Told();
            }

            return told;
        }
    }

    private sealed class Told
    {
        public Dictionary<Guid, MemberSays> Members { get; } = [];

        public List<GroupSays> Groups { get; } = [];
    }
}
