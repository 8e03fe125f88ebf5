using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>Why a contact is looked at without an event.</summary>
/// <param name="Since">Who moved since then by a look is told of, also if another one looked first, or was cut short.</param>
/// <param name="Account">The account that the lists show; null for none.</param>
/// <param name="Rules">The fingerprint of the rules that must look.</param>
internal readonly record struct LookReason(DateTimeOffset Since, string? Account, ulong Rules);

/// <summary>The node of a person has other rules than those that must look: nothing ends that but time.</summary>
internal sealed class OtherRulesException()
    : Exception("The node of the person has other rules: it is looked at again once that has ended.");

/// <summary>Looks at a contact with the rules as they are, without an event: the contact records where it moves, its accounts and
/// Variance are told, and the views learn when to look next.</summary>
internal sealed class ContactLook(PipelineParts parts, IActorRef people)
{
    private const int AtOnce = 8;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly Corrections _corrections = new(parts);

    /// <summary>Looks at several at a time; whoever cannot be looked at holds up nobody.</summary>
    /// <returns>Those who could not be looked at, and whether that is for other rules.</returns>
    public static async Task<IReadOnlyCollection<(T Item, bool HasOtherRules)>> EachAsync<T>(IReadOnlyCollection<T> items, ILoggingAdapter log, Func<T, Task> look)
    {
        var failed = new ConcurrentBag<(T, bool)>();
        await Parallel.ForEachAsync(
            items,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (item, _) =>
            {
                try
                {
                    await look(item).ConfigureAwait(false);
                }
                catch (Exception failure) when (failure is AskTimeoutException or DbException or TimeoutException or OtherRulesException)
                {
                    failed.Add((item, failure is OtherRulesException));
                    log.Warning(failure, "Somebody whose stage is due could not be looked at; the next sweep does it.");
                }
            }).ConfigureAwait(false);
        return failed;
    }

    /// <summary>Looks at a contact.</summary>
    /// <param name="home">The home of one of its ids.</param>
    /// <param name="reason">Why.</param>
    /// <param name="now">When.</param>
    /// <param name="nobody">What is done if there is no such contact.</param>
    public async Task LookAsync(PersonId home, LookReason reason, DateTimeOffset now, Func<Task> nobody)
    {
        var before = await people.Ask<object>(new GetPerson(home), Patience).ConfigureAwait(false) as PersonFound;
        var accounts = ((string?[])[before?.Person.Contact?.Account?.Key, reason.Account])
            .OfType<string>().Distinct().ToList();
        var moves = new List<ContactMove>();
        while (!await TellAsync(home, reason, accounts, moves, now, nobody).ConfigureAwait(false))
        {
        }
    }

    /// <returns>False if the person has become more meanwhile, and must be asked again.</returns>
    private async Task<bool> TellAsync(
        PersonId home,
        LookReason reason,
        List<string> accounts,
        List<ContactMove> moves,
        DateTimeOffset now,
        Func<Task> nobody)
    {
        var answer = await people.Ask<object>(new LookAgain(home, now), Patience).ConfigureAwait(false);
        if (answer is not HistoryFound { Root: var root, Facts: var facts, Person: var person } looked)
        {
            await nobody().ConfigureAwait(false);
            return true;
        }

        if (looked.LookedWith != reason.Rules)
        {
            throw new OtherRulesException();
        }

        var left = accounts
            .Where(key => key != person.Contact?.Account?.Key)
            .Select(key => new AccountLeft(person.PersonUuid, key));
        var told = await people.Ask<AccountTold>(new TellAccount(home, [.. left], now), Patience).ConfigureAwait(false);
        var rules = parts.Options.Connections[home.ConnectionId].ToContactRules();
        if ((looked.Moved ?? (moves.Count == 0 ? MoveOf(person, reason) : null)) is { } moved)
        {
            moves.Add(moved);
        }

        var move = moves.LastOrDefault();

        // Whoever looks finds the same: the message of a look is there once, however many looked.
        var lookedAt = person.Contact?.Turn?.LookedAt ?? now;
        var uuid = UuidV5.Create(
            person.PersonUuid, $"look:{lookedAt.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture)}");
        var messages = move is { IsOtherName: true } or { IsOtherAccount: true }
            ? _corrections.Map(home.ConnectionId, person with { Account = told.Card }, ChangeOf(move), uuid, now)
            : [];
        var news = moves.Cast<ContactMove?>().DefaultIfEmpty().Select(one => PersonNews.Of(person, one, rules, now));
        return await _corrections.AppendAsync(root, uuid, messages, [.. news], now, facts).ConfigureAwait(false);
    }

    /// <summary>Where a look of somebody else, or one that was cut short, has moved a person; null for nowhere.</summary>
    private static ContactMove? MoveOf(PersonSnapshot person, LookReason reason)
    {
        if (person.Contact?.Turn is not { LookedAt: { } at } turn || at < reason.Since)
        {
            return null;
        }

        var isOtherAccount = reason.Account != turn.Account?.Key;
        var isOtherStage = turn.Stage is { } place && place.Since == at && place.From != place.Name;
        return isOtherAccount || isOtherStage
            ? new ContactMove(
                turn.LookedAs ?? person.Version, isOtherAccount, turn.Account, isOtherStage, turn.Stage?.Left, turn.Stage)
            : null;
    }

    private static EventChange ChangeOf(ContactMove move) => new EventChange(true, []).Without(move.Lost) with
    {
        Stage = move is { IsOtherName: true, Stage: { } stage }
            ? new StageMove(move.Left?.Name, stage.Name, stage.Rule)
            : null,
    };
}
