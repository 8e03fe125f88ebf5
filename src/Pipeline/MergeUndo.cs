using System.Collections.Immutable;
using System.Globalization;
using Akka.Actor;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>How taking a merge back ended.</summary>
public enum UndoResult
{
    /// <summary>The split is durable and its corrections are in the outbox, now or since an earlier call.</summary>
    Done,

    /// <summary>There is no person with that distinct id.</summary>
    NoPerson,

    /// <summary>No event of that uuid merged two ids of that person.</summary>
    NoMerge,

    /// <summary>The person changed all the time: nothing happened.</summary>
    Busy,
}

/// <summary>The answer to a wish to take a merge back.</summary>
/// <param name="Result">How it ended.</param>
/// <param name="Corrections">The uuid under which the ledger shows the correcting messages; null if there are none.</param>
/// <param name="Persons">The persons of the merge's source and target now; unborn ones are left out.</param>
public sealed record UndoAnswer(UndoResult Result, Guid? Corrections, ImmutableArray<PersonSnapshot> Persons);

/// <summary>Takes merges back: computes the split from the journal, has the root record it, and puts the correcting
/// messages into the outbox, once. What was begun is on a list until it is done: see
/// <see cref="UnfinishedUndos"/>.</summary>
public sealed class MergeUndo(PipelineParts parts, PersonJournal journal, Corrections corrections)
{
    private const int AttemptsMax = 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Takes the newest merge back that an event asked for.</summary>
    /// <param name="people">The region of persons.</param>
    /// <param name="home">The home of any distinct id of the person.</param>
    /// <param name="mergeEvent">The uuid of the merge's event.</param>
    /// <param name="cancellationToken">Ends the waiting, not what has begun.</param>
    public async Task<UndoAnswer> UndoAsync(
        IActorRef people,
        PersonId home,
        Guid mergeEvent,
        CancellationToken cancellationToken)
    {
        var rules = parts.Options.Connections[home.ConnectionId].ToRules(parts.Options.People.UpdateAllProperties);
        (HistoryFound Found, ImmutableArray<PersonFact> Facts)? known = null;
        for (var attempt = 0; attempt < AttemptsMax; attempt++)
        {
            var answer = await people.Ask<object>(new GetHistory(home), Patience, cancellationToken);
            if (answer is not HistoryFound found)
            {
                return await GiveUpAsync(home, mergeEvent, UndoResult.NoPerson);
            }

            var facts = await journal.ReadFactsAsync(found, known, cancellationToken);
            known = (found, facts);
            if (MergeSplit.Of(found, facts, mergeEvent, rules) is not { } split)
            {
                return await GiveUpAsync(home, mergeEvent, UndoResult.NoMerge);
            }

            var fact = split.IsDone ? split.Fact : split.Fact with { At = parts.Time.GetUtcNow() };
            var message = new SplitPerson(found.Root, found.Facts, fact);
            if (attempt == 0)
            {
                await parts.Database.WriteAsync(
                    session => UnfinishedUndoStatements.Begin(
                        session, NumberOf(home), mergeEvent, home.DistinctId, parts.Time.GetUtcNow()),
                    cancellationToken);
            }

            if (split.IsDone || (await people.Ask<SplitAnswered>(message, Patience, cancellationToken)).IsDone)
            {
                return await CorrectAsync(people, home, mergeEvent, fact);
            }
        }

        return await GiveUpAsync(home, mergeEvent, UndoResult.Busy);
    }

    private async Task<UndoAnswer> GiveUpAsync(PersonId home, Guid mergeEvent, UndoResult result)
    {
        await EndAsync(home, mergeEvent);
        return new UndoAnswer(result, null, []);
    }

    private Task<int> EndAsync(PersonId home, Guid mergeEvent) => parts.Database.WriteAsync(session =>
        UnfinishedUndoStatements.End(session, NumberOf(home), mergeEvent, home.DistinctId));

    private int NumberOf(PersonId home) => parts.Layout.NumberByConnection[home.ConnectionId];

    private async Task<UndoAnswer> CorrectAsync(
        IActorRef people, PersonId home, Guid mergeEvent, PersonFact.Split split)
    {
        UndoAnswer? answer;
        do
        {
            answer = await TellAsync(people, home, split);
        }
        while (answer is null);
        await EndAsync(home, mergeEvent);
        return answer;
    }

    /// <returns>Null if one of the persons has become more meanwhile, and both must be asked again.</returns>
    private async Task<UndoAnswer?> TellAsync(IActorRef people, PersonId home, PersonFact.Split split)
    {
        var now = parts.Time.GetUtcNow();
        var (place, ask) = (split.Undone.Id.Offset.ToString(CultureInfo.InvariantCulture), split.Undone.Ask);
        var uuid = UuidV5.Create(split.Event.Uuid, $"split:{place}:{ask.SourceId.Length}:{ask.SourceId}:{ask.TargetId}");
        var cards = new Dictionary<string, AccountCard?>();
        foreach (var id in (string[])[ask.SourceId, ask.TargetId])
        {
            var told = await people.Ask<AccountTold>(
                new TellAccount(home.Beside(id), await LeftAsync(people, home.Beside(id), split), now), Patience);
            cards[id] = told.Card;
        }

        var persons = ImmutableArray.CreateBuilder<(string Id, PersonSnapshot Person)>();
        HistoryFound? first = null;
        foreach (var id in cards.Keys)
        {
            if (await people.Ask<object>(new GetHistory(home.Beside(id)), Patience) is not HistoryFound found)
            {
                continue;
            }

            first ??= found; // of the two answers the older one shows what both have become at least
            if (found.Person.IsBorn)
            {
                persons.Add((id, found.Person with { Account = cards[id] }));
            }
        }

        if (first is null)
        {
            return new UndoAnswer(UndoResult.Done, null, []); // both were erased meanwhile
        }

        var rules = parts.Options.Connections[home.ConnectionId].ToContactRules();
        ImmutableArray<OutboundMessage> messages = [.. persons.SelectMany(one => Correct(
            home.ConnectionId,
            one.Person,
            [.. persons.Select(other => other.Person).Where(other => other != one.Person)],
            split,
            rules,
            UuidV5.Create(uuid, one.Id),
            now))];
        var news = News([.. persons.Select(one => one.Person)], split, rules, now);
        if (!await corrections.AppendAsync(first.Root, uuid, messages, news, now, first.Facts))
        {
            return null;
        }

        return new UndoAnswer(UndoResult.Done, messages.IsEmpty ? null : uuid, [.. persons.Select(one => one.Person)]);
    }

    // Both belong to an account from now on, or to none; an id without a person belongs to nobody.
    private static ImmutableArray<PersonNews> News(
        ImmutableArray<PersonSnapshot> persons, PersonFact.Split split, ContactRules rules, DateTimeOffset now)
    {
        var version = persons.Select(person => person.Version).Append(split.Was?.Version ?? 0).Max();
        ImmutableArray<PersonNews> news =
        [
            .. persons.Select(person => PersonNews.Of(person, MoveOf(person, split, now), rules, lookedAt: null)),
            .. ((string[])[split.Undone.Ask.SourceId, split.Undone.Ask.TargetId])
                .Where(id => !persons.Any(person => person.DistinctIds.Contains(id)))
                .Select(id => new PersonNews(Guid.Empty, version, [id], null)),
        ];
        return split.Was is { } was && !split.Persons.Any(part => part.Profile?.Uuid == was.Person)
            ? news.SetItem(0, news[0] with { Ended = [ContactEnded.Of(was.Person, was.Turn, was.Version)] })
            : news;
    }

    // Whoever keeps the uuid of the person that came apart moves from where that was, the other one from nowhere.
    private static ContactMove? MoveOf(PersonSnapshot person, PersonFact.Split split, DateTimeOffset now)
    {
        var profile = split.Persons.Select(part => part.Profile).FirstOrDefault(one => one?.Uuid == person.PersonUuid);
        return split.Was is { } was && profile is not null
            ? ContactMove.Of(was.Version, was.Person == profile.Uuid ? was.Turn : null, profile.Contact?.Turn)
                ?.BroughtBack(split.At ?? now)
            : new ContactMove(person.Version, true, person.Contact?.Account, false, null, person.Contact?.Stage);
    }

    private static async Task<PersonSnapshot?> PersonAsync(IActorRef people, PersonId home) =>
        await people.Ask<object>(new GetPerson(home), Patience) is PersonFound { Person: var person } ? person : null;

    // Whoever keeps the uuid of the person that came apart says whether it is still a member.
    private static async Task<ImmutableArray<AccountLeft>> LeftAsync(
        IActorRef people, PersonId home, PersonFact.Split split) =>
        split.Left is { } left && (await PersonAsync(people, home))?.PersonUuid == left.Person ? [left] : [];

    // The contact of the person that came apart is there and cannot be taken away: who owns its id corrects it, or gives it up
    // if it goes by another one now.
    private ImmutableArray<OutboundMessage> Correct(
        string connectionId,
        PersonSnapshot person,
        ImmutableArray<PersonSnapshot> others,
        PersonFact.Split split,
        ContactRules rules,
        Guid uuid,
        DateTimeOffset now)
    {
        var former = split.UserId is { } id && person.DistinctIds.Contains(id) ? id : null;
        var contact = person.UserId is null ? person with { UserId = former } : person;
        ImmutableArray<string> givenUp = former is null || former == contact.UserId ? [] : [former];
        var change = new EventChange(true, givenUp) { Removed = [.. Removed(person, others, split, rules)] };
        return corrections.Map(connectionId, contact, change, uuid, now);
    }

    // What the person had as one with the others, and has no more.
    private static IEnumerable<string> Removed(
        PersonSnapshot person,
        ImmutableArray<PersonSnapshot> others,
        PersonFact.Split split,
        ContactRules rules)
    {
        var names = others.SelectMany(other => other.Properties.Keys).Concat(split.Had ?? [])
            .Where(name => !name.StartsWith('$') && !person.Properties.ContainsKey(name));
        var hadAccount = person.Account is null && (split.Left is not null || others.Any(other => other.Account is not null));
        var hadStage = person.Contact?.Stage?.Name is null && !rules.ContactStages.Stages.IsEmpty;
        return names.Concat(hadAccount ? ["company"] : []).Concat(hadStage ? ["stage"] : []).Distinct();
    }
}
