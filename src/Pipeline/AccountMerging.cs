using System.Globalization;
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
/// Variance is told where they belong. A call that failed half way is made good by calling again.</summary>
public sealed class AccountMerging(PipelineParts parts, Corrections corrections)
{
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

        var answer = await accounts.Ask<AccountChanged>(
            new MergeAccount(account, into, by, now), Patience, cancellationToken);
        if (answer.Account is not { } merged)
        {
            return MergingResult.NoAccount;
        }

        if ((merged.IsMerged ? merged.Target : null) != into)
        {
            return MergingResult.Refused;
        }

        foreach (var (_, member) in merged.Members)
        {
            if (member.Contact is { } contact)
            {
                while (!await MoveAsync(people, merged, contact.DistinctId, now, cancellationToken))
                {
                }
            }
        }

        return MergingResult.Done;
    }

    /// <returns>False if the person has become more meanwhile, and must be asked again.</returns>
    private async Task<bool> MoveAsync(
        IActorRef people,
        AccountState account,
        string distinctId,
        DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var home = new PersonId(account.Id.ConnectionId, distinctId);
        var told = await people.Ask<AccountTold>(new TellAccount(home, [], now), Patience, cancellationToken);
        var answer = await people.Ask<object>(new GetHistory(home), Patience, cancellationToken);
        if (answer is not HistoryFound { Person: { Contact.Account.Key: var key } person } found
            || key != account.Id.Key)
        {
            return true; // it has gone elsewhere meanwhile, and said so
        }

        var place = account.ChangedAt.UtcTicks.ToString(CultureInfo.InvariantCulture);
        var uuid = UuidV5.Create(person.PersonUuid, $"account:{account.Target?.Key}:{account.IsMerged}:{place}");
        var messages = corrections.Map(
            home.ConnectionId, person with { Account = told.Card }, EventChange.None, uuid, now);
        return await corrections.AppendAsync(found.Root, uuid, messages, [], now, found.Facts);
    }
}
