using System.Buffers;
using System.Collections.Immutable;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What an account tells Variance after a version: its messages, in order.</summary>
/// <param name="account">The account.</param>
/// <param name="after">The version that Variance has been told.</param>
public delegate ImmutableArray<OutboundMessage> MapAccount(AccountState account, long after);

/// <summary>The accounts' way into the outbox: all messages of an account lie in one lane, in the order of its
/// versions, and the version they belong to is committed with them, so that none is missing and none is there
/// twice.</summary>
/// <param name="database">Where the outbox is.</param>
/// <param name="layout">How the work is cut.</param>
/// <param name="map">The mapping of each connection, by its id.</param>
/// <param name="wakeDelivery">Told each connection number and delivery partition that got messages.</param>
/// <param name="hasViews">Whether views are kept.</param>
/// <param name="wakeViews">Told each connection number and delivery partition whose views have something to learn.</param>
/// <param name="time">The clock.</param>
public sealed class AccountOutbox(
    PipelineDatabase database,
    PipelineLayout layout,
    Func<string, MapAccount> map,
    Action<int, int> wakeDelivery,
    bool hasViews,
    Action<int, int> wakeViews,
    TimeProvider time)
{
    private static readonly Statement SelectSent = new(
        "SELECT version, facts FROM account_sent WHERE connection = @connection AND account = @account");

    private static readonly Statement MoveSent = new("""
        INSERT INTO account_sent (connection, account, version, facts)
        VALUES (@connection, @account, @version, @facts)
        ON CONFLICT (connection, account) DO UPDATE SET version = excluded.version, facts = excluded.facts
        WHERE account_sent.version = @sent AND account_sent.facts = @seen
        """);

    /// <summary>Puts into the outbox what it does not hold of an account.</summary>
    /// <returns>The version up to which the outbox holds everything.</returns>
    /// <exception cref="FencedException">Another copy of the account did it at the same time: try again.</exception>
    public async Task<long> SendAsync(AccountState account)
    {
        var connection = layout.NumberByConnection[account.Id.ConnectionId];
        var entity = account.Id.EntityId;
        var partition = (int)(account.Id.Lane % (ulong)layout.DeliveryPartitions);
        var (now, mapping) = (time.GetUtcNow(), map(account.Id.ConnectionId));
        var (version, isNew, isSeen) = await database.WriteAsync(session =>
        {
            var (sent, seen) = session.Query(
                SelectSent, row => (row.GetInt64(0), row.GetInt64(1)), connection, entity) is [var held] ? held : (0, 0);
            var isSeen = hasViews && seen < account.Facts;
            if (sent >= account.Version && !isSeen)
            {
                return (sent, false, false);
            }

            var messages = sent < account.Version ? mapping(account, sent) : [];
            if (!messages.IsEmpty)
            {
                var first = OutboxStatements.Raise(session, connection, partition, messages.Length, events: 0);
                var payload = Payload(account, messages, now);
                OutboxStatements.Add(session, connection, partition, first, messages.Length, now, payload);
            }

            if (isSeen)
            {
                var feed = new FeedBatch(layout.DeliveryPartitions);
                feed.Add(connection, account.Id.Lane, ViewOfAccount.Of(account, sent));
                feed.Write(session, now);
            }

            var (told, facts) = (Math.Max(sent, account.Version), isSeen ? account.Facts : seen);
            if (session.Execute(MoveSent, connection, entity, told, facts, sent, seen) == 0)
            {
                throw new FencedException("The messages of an account were put into the outbox by somebody else.");
            }

            return (told, !messages.IsEmpty, isSeen);
        }).ConfigureAwait(false);
        if (isNew)
        {
            wakeDelivery(connection, partition);
        }

        if (isSeen)
        {
            wakeViews(connection, partition);
        }

        return version;
    }

    // No accepted event became these messages: the books do not count them.
    private static byte[] Payload(AccountState account, ImmutableArray<OutboundMessage> messages, DateTimeOffset now)
    {
        var payload = new ArrayBufferWriter<byte>();
        var uuid = UuidV5.Create(account.Id.Uuid, $"v{account.Version}");
        OutboxRow.Begin(payload);
        foreach (var message in messages)
        {
            var entry = new OutboxEntry(0, account.Id.Lane, uuid, 0, Closes: false, now, message);
            OutboxRow.Append(payload, entry with { IsCorrection = true });
        }

        return payload.WrittenSpan.ToArray();
    }
}
