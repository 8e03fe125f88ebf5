using System.Data.Common;
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
/// <param name="Name">The messages' ids are made of it: the same reason tells Variance once.</param>
/// <param name="Since">Who moved since then is told of, also by another look that a crash cut short.</param>
/// <param name="Account">The account that the contact was last seen in; null: not known.</param>
internal readonly record struct LookReason(string Name, DateTimeOffset Since, string? Account);

/// <summary>Looks at a contact with the rules as they are, without an event: the contact records where it moves, its accounts and
/// Variance are told, and the views learn when to look next.</summary>
internal sealed class ContactLook(PipelineParts parts, IActorRef people)
{
    private const int AtOnce = 8;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly Corrections _corrections = new(parts);

    /// <summary>Looks at several at a time; whoever cannot be looked at holds up nobody.</summary>
    /// <returns>How many could not be looked at.</returns>
    public static async Task<int> EachAsync<T>(IReadOnlyCollection<T> items, ILoggingAdapter log, Func<T, Task> look)
    {
        var failed = 0;
        await Parallel.ForEachAsync(
            items,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (item, _) =>
            {
                try
                {
                    await look(item).ConfigureAwait(false);
                }
                catch (Exception failure) when (failure is AskTimeoutException or DbException or TimeoutException)
                {
                    Interlocked.Increment(ref failed);
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
        var accounts = ((string?[])[before?.Person.Contact?.Account?.Key, reason.Account]).OfType<string>().Distinct().ToList();
        var (isTold, moved) = (false, (ContactMove?)null);
        while (!isTold)
        {
            (isTold, moved) = await TellAsync(home, reason, accounts, moved, now, nobody).ConfigureAwait(false);
        }
    }

    /// <returns>False if the person has become more meanwhile, and must be asked again; and where a look moved it.</returns>
    private async Task<(bool IsTold, ContactMove? Moved)> TellAsync(
        PersonId home,
        LookReason reason,
        List<string> accounts,
        ContactMove? moved,
        DateTimeOffset now,
        Func<Task> nobody)
    {
        var answer = await people.Ask<object>(new LookAgain(home, now), Patience).ConfigureAwait(false);
        if (answer is not HistoryFound { Root: var root, Facts: var facts, Person: var person } looked)
        {
            await nobody().ConfigureAwait(false);
            return (true, moved);
        }

        var left = accounts
            .Where(key => key != person.Contact?.Account?.Key)
            .Select(key => new AccountLeft(person.PersonUuid, key));
        var told = await people.Ask<AccountTold>(new TellAccount(home, [.. left], now), Patience).ConfigureAwait(false);
        var rules = parts.Options.Connections[home.ConnectionId].ToContactRules();
        var move = looked.Moved ?? moved;
        var uuid = UuidV5.Create(person.PersonUuid, reason.Name);

        // A crash may have come after the move was recorded: whoever moved since is told of, once.
        var hasMoved = move is { IsOtherName: true } or { IsOtherAccount: true }
            || person.Contact?.Stage?.Since >= reason.Since;
        var messages = hasMoved
            ? _corrections.Map(home.ConnectionId, person with { Account = told.Card }, ChangeOf(move), uuid, now)
            : [];
        var isTold = await _corrections
            .AppendAsync(root, uuid, messages, [PersonNews.Of(person, move, rules, now)], now, facts)
            .ConfigureAwait(false);
        return (isTold, move);
    }

    private static EventChange ChangeOf(ContactMove? move) => new(true, [])
    {
        Stage = move is { IsOtherName: true, Stage: { } stage }
            ? new StageMove(move.Left?.Name, stage.Name, stage.Rule)
            : null,
    };
}
