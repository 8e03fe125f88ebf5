using System.Buffers;
using System.Collections.Immutable;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>Messages that follow from an operator's wish and not from an event: they are in the lane of their person,
/// once, and the books do not count them.</summary>
public sealed class Corrections(PipelineParts parts)
{
    private readonly Func<string, MapEvent> _map = EventMapping.For(parts.Options);
    private readonly Func<int, ViewRules?> _views = ViewsHosting.RulesOf(parts);

    /// <summary>What a person says of itself now.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="person">The person.</param>
    /// <param name="change">What is to be told.</param>
    /// <param name="uuid">From which the messages' ids are made.</param>
    /// <param name="now">When.</param>
    public ImmutableArray<OutboundMessage> Map(
        string connectionId,
        PersonSnapshot person,
        EventChange change,
        Guid uuid,
        DateTimeOffset now)
    {
        var says = new CaptureEvent(
            uuid,
            EventNames.Set,
            person.UserId ?? person.DistinctIds[0],
            now,
            now,
            Door.Capture,
            CaptureNotes.None,
            0,
            """{"properties":{}}"""u8.ToArray());
        var belongs = change with { AccountChanged = person.Contact?.Account is not null };
        return _map(connectionId)(says, person, belongs).Messages;
    }

    /// <summary>Puts messages into the outbox, unless those of this uuid have been there.</summary>
    /// <param name="root">The root of the person.</param>
    /// <param name="uuid">Under which the ledger shows them.</param>
    /// <param name="messages">The messages.</param>
    /// <param name="news">What the views learn, whether there are messages or not, unless a newer state is in the outbox; once more does no harm.</param>
    /// <param name="now">When.</param>
    /// <param name="version">How many facts the person was made of that the messages show; null: they show no one's state
    /// that others may have shown meanwhile.</param>
    /// <returns>False if a newer state is in the outbox: nothing is written, and the messages must be made of that one.</returns>
    public Task<bool> AppendAsync(
        PersonId root,
        Guid uuid,
        ImmutableArray<OutboundMessage> messages,
        ImmutableArray<PersonNews> news,
        DateTimeOffset now,
        long? version)
    {
        var connection = parts.Layout.NumberByConnection[root.ConnectionId];
        var lane = root.Priority.Lane;
        var partition = (int)(lane % (ulong)parts.Layout.DeliveryPartitions);
        var key = new EventKey(connection, uuid, 0);
        var payload = new ArrayBufferWriter<byte>();
        OutboxRow.Begin(payload);
        foreach (var message in messages)
        {
            var entry = new OutboxEntry(0, lane, uuid, key.Fingerprint, Closes: false, now, message);
            OutboxRow.Append(payload, entry with { IsCorrection = true });
        }

        var feed = new FeedBatch(parts.Layout.DeliveryPartitions);
        foreach (var one in news)
        {
            if (_views(connection) is { } rules)
            {
                foreach (var entry in rules.Of(now, one))
                {
                    feed.Add(connection, lane, entry);
                }
            }
        }

        return parts.Database.WriteAsync(session =>
        {
            var isErased = messages.Select(MessageFields.ContactOf).OfType<string>()
                .Concat(news.SelectMany(one => one.Ids))
                .Any(contact => ErasedIdStatements.Contains(session, connection, contact));
            if (isErased)
            {
                return true;
            }

            if (!messages.IsEmpty && !TryAdd(session))
            {
                return false; // the views learn it of the newer state, or they would know it twice
            }

            feed.Write(session, now);
            return true;
        });

        bool TryAdd(Session session)
        {
            // First: from here on the lane is neither closed nor told of by anybody else.
            var first = OutboxStatements.Raise(session, connection, partition, messages.Length, events: 0);
            var isThere = LedgerStatements.Exists(session, key);
            if (isThere || IsPassed(session, connection, lane, version))
            {
                OutboxStatements.Raise(session, connection, partition, -messages.Length, events: 0);
                return isThere;
            }

            if (version is { } shown)
            {
                LaneVersions.Put(session, connection, lane, shown, now);
            }

            foreach (var contact in messages.Select(MessageFields.ContactOf).OfType<string>())
            {
                GivenUpIds.Remove(session, connection, GivenUpIds.HashOf(contact));
            }

            for (var index = 0; index < messages.Length; index++)
            {
                if (MessageFields.GivenUpBy(messages[index]) is { } id)
                {
                    GivenUpIds.Add(session, connection, GivenUpIds.HashOf(id), partition, first + index);
                }
            }

            OutboxStatements.Add(
                session, connection, partition, first, messages.Length, now, payload.WrittenSpan.ToArray());
            LedgerStatements.Add(session, new LedgerRow(
                key, -1, -1, Door.Capture, now, LedgerDecision.Queued, "", partition, first, messages.Length, Warnings: null,
                messages.Select(MessageFields.ContactOf).FirstOrDefault(contact => contact is not null), Event: null));
            return true;
        }
    }

    // The outbox knows more of the person, or the person is part of another one and has another lane.
    private static bool IsPassed(Session session, int connection, ulong lane, long? version) => version is { } shown
        && (shown < LaneVersions.Find(session, connection, lane)
            || LaneStatements.Closed(session, [(connection, lane)]).Any());
}
