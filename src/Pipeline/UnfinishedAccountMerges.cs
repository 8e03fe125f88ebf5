using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline;

/// <summary>
/// Tells the contacts of accounts that were merged, or are not any more, when the node that did it has stopped half way. Runs on
/// every node; who is told twice is told once.
/// </summary>
public sealed class UnfinishedAccountMerges : UnfinishedWork
{
    private readonly PipelineParts _parts;
    private readonly AccountMerging _merging;
    private readonly IActorRef _accounts;
    private readonly IActorRef _people;

    /// <summary>Finishes what the database of <paramref name="parts"/> lists.</summary>
    /// <param name="parts">The pipeline.</param>
    /// <param name="accounts">The region of accounts.</param>
    /// <param name="people">The region of persons.</param>
    public UnfinishedAccountMerges(PipelineParts parts, IActorRef accounts, IActorRef people)
        : base(parts.Time)
    {
        (_parts, _accounts, _people) = (parts, accounts, people);
        _merging = new AccountMerging(parts, new Corrections(parts));
    }

    /// <inheritdoc />
    protected override async Task FinishAsync(DateTimeOffset before)
    {
        foreach (var call in await _parts.Database
            .ReadAsync(session => UnfinishedAccountMergeStatements.List(session, before)).ConfigureAwait(false))
        {
            if (_parts.Layout.ConnectionByNumber.TryGetValue(call.Connection, out var connectionId))
            {
                await FinishAsync(new AccountId(connectionId, call.Account), call).ConfigureAwait(false);
            }
        }
    }

    // One that fails keeps none of the others waiting.
    private async Task FinishAsync(AccountId account, AccountMergeCall call)
    {
        try
        {
            await _merging.GoOnAsync(_accounts, _people, account, call).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            Log.Warning(
                failure, "Not all contacts of a merged account could be told where they belong; it is tried again soon.");
        }
    }
}

/// <summary>A wish to merge an account, or to take that back.</summary>
/// <param name="Connection">The number of the connection.</param>
/// <param name="Account">The account.</param>
/// <param name="Id">Of two wishes of one account each has its own.</param>
internal readonly record struct AccountMergeCall(int Connection, string Account, Guid Id);

/// <summary>Everything that is said to the table of unfinished merges of accounts.</summary>
internal static class UnfinishedAccountMergeStatements
{
    private const int CallsAtOnce = 100;

    private static readonly Statement PutCall = new("""
        INSERT INTO unfinished_account_merge (connection, account, call, touched_at)
        VALUES (@connection, @account, @call, @touched_at)
        ON CONFLICT (connection, account, call) DO UPDATE SET touched_at = excluded.touched_at
        """);

    private static readonly Statement Remove = new("""
        DELETE FROM unfinished_account_merge WHERE connection = @connection AND account = @account AND call = @call
        """);

    private static readonly Statement SelectOld = new("""
        SELECT connection, account, call FROM unfinished_account_merge
        WHERE touched_at <= @before ORDER BY touched_at LIMIT @rows
        """);

    /// <summary>Somebody is at it.</summary>
    public static int Touch(Session session, AccountMergeCall call, DateTimeOffset now) => session.Execute(
        PutCall, call.Connection, call.Account, call.Id.ToByteArray(bigEndian: true), now.ToUnixTimeMilliseconds());

    public static int End(Session session, AccountMergeCall call) =>
        session.Execute(Remove, call.Connection, call.Account, call.Id.ToByteArray(bigEndian: true));

    public static List<AccountMergeCall> List(Session session, DateTimeOffset before) => session.Query(
        SelectOld,
        row => new AccountMergeCall(
            row.GetInt32(0), row.GetString(1), new Guid(row.GetFieldValue<byte[]>(2), bigEndian: true)),
        before.ToUnixTimeMilliseconds(),
        CallsAtOnce);
}
