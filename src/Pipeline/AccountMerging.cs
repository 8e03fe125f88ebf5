using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using System.Runtime.ExceptionServices;
using Akka.Actor;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline;

/// <summary>How an operator's wish to merge accounts ended.</summary>
public enum MergingResult
{
    /// <summary>It is durable, and its contacts' messages are in the outbox, now or since an earlier call.</summary>
    Done,

    /// <summary>One of the accounts is not there.</summary>
    NoAccount,

    /// <summary>They cannot be merged: one of them is merged into a third one, or has accounts merged into
    /// it.</summary>
    Refused,
}

/// <summary>Merges accounts and takes that back: the account records it, its contacts learn who speaks for it, and
/// Variance is told where they belong. What was begun goes on when the caller goes away, and after a crash: see
/// <see cref="UnfinishedAccountMerges"/>.</summary>
public sealed class AccountMerging(PipelineParts parts, Corrections corrections)
{
    private const int AtOnce = 8;
    private const int ContactsPerTouch = 500;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>Merges an account into another one, or takes that back.</summary>
    /// <param name="accounts">The region of accounts.</param>
    /// <param name="people">The region of persons.</param>
    /// <param name="account">The account.</param>
    /// <param name="into">The other one; null takes the merge back.</param>
    /// <param name="by">Who wishes it.</param>
    /// <param name="cancellationToken">Ends the waiting, not what has begun.</param>
    public async Task<MergingResult> MergeAsync(
        IActorRef accounts,
        IActorRef people,
        AccountId account,
        AccountId? into,
        string by,
        CancellationToken cancellationToken)
    {
        var now = parts.Time.GetUtcNow();
        if (into is not null)
        {
            var other = await accounts.Ask<AccountFound>(new GetAccount(into), Patience, cancellationToken);
            if (other.Account is not { } target)
            {
                return MergingResult.NoAccount;
            }

            if (target.IsMerged)
            {
                return MergingResult.Refused;
            }
        }

        return await MergeAsync(accounts, people, new MergeAccount(account, into, by, now)).WaitAsync(cancellationToken);
    }

    private async Task<MergingResult> MergeAsync(IActorRef accounts, IActorRef people, MergeAccount wish)
    {
        var call = new AccountMergeCall(
            parts.Layout.NumberByConnection[wish.To.ConnectionId], wish.To.Key, Guid.NewGuid());
        await TouchAsync(call);
        var answer = await accounts.Ask<AccountChanged>(wish, Patience);
        if (answer.Account is { } merged && (merged.IsMerged ? merged.Target : null) == wish.Into)
        {
            await TellAsync(people, merged, call);
            return MergingResult.Done;
        }

        await EndAsync(call);
        return answer.Account is null ? MergingResult.NoAccount : MergingResult.Refused;
    }

    /// <summary>Tells the contacts of an account where they belong, after a call that was cut short.</summary>
    internal async Task GoOnAsync(IActorRef accounts, IActorRef people, AccountId account, AccountMergeCall call)
    {
        await TouchAsync(call);
        var found = await accounts.Ask<AccountFound>(new GetAccount(account), Patience);
        if (found.Account is { } merged)
        {
            await TellAsync(people, merged, call);
        }
        else
        {
            await EndAsync(call);
        }
    }

    private Task<int> TouchAsync(AccountMergeCall call) => parts.Database.WriteAsync(session =>
        UnfinishedAccountMergeStatements.Touch(session, call, parts.Time.GetUtcNow()));

    private Task<int> EndAsync(AccountMergeCall call) => parts.Database.WriteAsync(session =>
        UnfinishedAccountMergeStatements.End(session, call));

    // One that does not answer keeps none of the others waiting; the call stays on the list for it.
    private async Task TellAsync(IActorRef people, AccountState account, AccountMergeCall call)
    {
        var (now, told, failures) = (parts.Time.GetUtcNow(), 0, new ConcurrentQueue<Exception>());
        await Parallel.ForEachAsync(
            account.Members.Values.Select(member => member.Contact?.DistinctId).OfType<string>(),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (distinctId, _) =>
            {
                try
                {
                    while (!await MoveAsync(people, account, distinctId, now))
                    {
                    }

                    if (Interlocked.Increment(ref told) % ContactsPerTouch == 0)
                    {
                        await TouchAsync(call);
                    }
                }
                catch (Exception failure) when (failure is AskTimeoutException or DbException or TimeoutException)
                {
                    failures.Enqueue(failure);
                }
            });
        if (failures.TryDequeue(out var first))
        {
            ExceptionDispatchInfo.Throw(first);
        }

        await EndAsync(call);
    }

    /// <returns>False if the person has become more meanwhile, and must be asked again.</returns>
    private async Task<bool> MoveAsync(
        IActorRef people,
        AccountState account,
        string distinctId,
        DateTimeOffset now)
    {
        var home = new PersonId(account.Id.ConnectionId, distinctId);
        var told = await people.Ask<AccountTold>(new TellAccount(home, [], now), Patience);
        var answer = await people.Ask<object>(new GetHistory(home), Patience);
        if (answer is not HistoryFound { Person: { Contact.Account.Key: var key } person } found
            || key != account.Id.Key)
        {
            return true; // it has gone elsewhere meanwhile, and said so
        }

        var place = account.ChangedAt.UtcTicks.ToString(CultureInfo.InvariantCulture);
        var uuid = UuidV5.Create(person.PersonUuid, $"account:{account.Target?.Key}:{account.IsMerged}:{place}");
        var messages = corrections.Map(
            home.ConnectionId, person with { Account = told.Card }, new EventChange(true, []), uuid, now);
        return await corrections.AppendAsync(found.Root, uuid, messages, [], now, found.Facts);
    }
}
