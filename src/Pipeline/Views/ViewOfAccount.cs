using VarianceActors.Pipeline.Accounts;

namespace VarianceActors.Pipeline.Views;

/// <summary>An account as the views show it.</summary>
internal static class ViewOfAccount
{
    /// <summary>The entry of an account.</summary>
    /// <param name="account">The account.</param>
    /// <param name="after">The version up to which its moves between stages are in the views.</param>
    public static AccountEntry Of(AccountState account, long after) => new(
        account.ChangedAt,
        account.Id.Key,
        account.Facts,
        account.Name,
        account.IsMerged ? account.Target!.Key : null,
        account.Stage is { Name: { } stage } place ? new StageFace(stage, place.Since, place.Rule, place.By) : null,
        account.Contacts + account.Merged.Sum(part => part.Value.Contacts),
        account.ShownDomains,
        ViewText.ObjectOf(account.ShownTraits))
    {
        Steps = [.. Steps(account).Where(step => step.Version > after)],
    };

    private static IEnumerable<AccountStep> Steps(AccountState account)
    {
        DateTimeOffset? entered = null;
        foreach (var one in account.Moves)
        {
            var (move, at) = (one.Move, one.At);
            var by = one.By ?? (account.Stage is { } place && place.Name == move.To && place.At == at ? place.Operator : null);
            yield return new AccountStep(one.Version, at, move.From ?? "", entered, move.To ?? "", move.Rule, by);
            entered = one.IsInPlace ? entered : at;
        }
    }
}
