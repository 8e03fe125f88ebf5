using System.Buffers;
using System.Buffers.Binary;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>What is to be done with a dead letter that would be sent again.</summary>
internal enum LetterFate
{
    /// <summary>Send it.</summary>
    Send,

    /// <summary>Everything that it says was told anew since: it need not be sent.</summary>
    Superseded,

    /// <summary>Part of what it says was told otherwise since: it would put old values back.</summary>
    Overtaken,
}

/// <summary>
/// What was delivered of entities that have dead letters, so that a replay puts no old values back. Nothing is written for any
/// other entity, and one row for each however many letters it has.
/// </summary>
internal static class ToldStates
{
    private const int SayingBytes = 3 * sizeof(ulong);

    private static readonly Statement Select = new(
        "SELECT told FROM told_state WHERE connection = @connection AND entity = @entity");

    private static readonly Statement SelectToChange = new(
        "SELECT told FROM told_state WHERE connection = @connection AND entity = @entity", locksRows: true);

    private static readonly Statement Make = new("""
        INSERT INTO told_state (connection, entity, told) VALUES (@connection, @entity, @told) ON CONFLICT DO NOTHING
        """);

    private static readonly Statement Put = new(
        "UPDATE told_state SET told = @told WHERE connection = @connection AND entity = @entity");

    private static readonly Statement DeleteSettled = new("""
        DELETE FROM told_state WHERE (connection, entity) IN (
            SELECT t.connection, t.entity FROM told_state t WHERE NOT EXISTS (
                SELECT 1 FROM dead_letter d
                WHERE d.connection = t.connection AND d.entity = t.entity AND d.entity IS NOT NULL AND d.state <= 2)
            LIMIT @rows)
        """);

    /// <summary>Keeps what messages of a slice, which were delivered, say of entities that have letters.</summary>
    public static void Note(
        Session session, int connection, int deliveryPartition, IEnumerable<(OutboxEntry Entry, long Newest)> delivered)
    {
        foreach (var told in delivered.GroupBy(one => Snapshots.EntityOf(one.Entry.Message)!.Value).OrderBy(told => told.Key))
        {
            session.Post(Make, connection, told.Key, Array.Empty<byte>());
            var state = Read(session, SelectToChange, connection, told.Key);
            foreach (var (entry, newest) in told)
            {
                // A replay overtakes the letters that are older than itself.
                var overtakes = entry.IsReplay
                    ? ReplayStatements.At(session, connection, deliveryPartition, entry.Position).Letter - 1
                    : newest;
                Add(state, entry, overtakes);
            }

            session.Post(Put, Encode(state), connection, told.Key);
        }
    }

    /// <summary>The newest letter of the entity whose state a message tells that was just delivered: what dies later, and be it in
    /// the same commit, is not overtaken by it. Null if there is none, or it tells no state.</summary>
    public static long? NewestBefore(Session session, int connection, FinishedMessage finished) =>
        finished.Outcome is DeliveryOutcome.Delivered && Snapshots.EntityOf(finished.Entry.Message) is { } entity
            ? DeadLetterStatements.NewestOf(session, connection, entity)
            : null;

    /// <summary>What is to be done with a letter that an operator wants to be sent.</summary>
    public static LetterFate FateOf(Session session, int connection, DeadLetter letter)
    {
        if (Snapshots.EntityOf(letter.Message) is not { } entity
            || Read(session, Select, connection, entity) is not { Count: > 0 } told)
        {
            return LetterFate.Send;
        }

        var (isAll, isOther) = (true, false);
        foreach (var (name, value) in Snapshots.Says(letter.Message))
        {
            var isTold = told.TryGetValue(name, out var since) && since.Overtakes >= letter.Id;
            isAll &= isTold;
            isOther |= isTold && since.Value != value;
        }

        return isAll ? LetterFate.Superseded : isOther ? LetterFate.Overtaken : LetterFate.Send;
    }

    /// <summary>What is to be done with a letter that lies in the outbox again, now that it is its turn.</summary>
    public static LetterFate FateOf(Session session, int connection, int deliveryPartition, OutboxEntry replay)
    {
        var (id, _, isForced) = ReplayStatements.At(session, connection, deliveryPartition, replay.Position);
        return isForced ? LetterFate.Send : FateOf(session, connection, DeadLetterStatements.Find(session, connection, id)!);
    }

    /// <summary>Forgets entities that have no letters any more.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(Session session, int rows) => session.Execute(DeleteSettled, rows);

    private static void Add(
        Dictionary<ulong, (ulong Value, long Overtakes)> state, OutboxEntry entry, long overtakes)
    {
        foreach (var (name, value) in Snapshots.Says(entry.Message))
        {
            if (!state.TryGetValue(name, out var before) || before.Overtakes <= overtakes)
            {
                state[name] = (value, overtakes);
            }
        }
    }

    private static Dictionary<ulong, (ulong Value, long Overtakes)> Read(
        Session session, Statement select, int connection, long entity) =>
        Decode(session.Scalar(select, connection, entity) as byte[]);

    /// <summary>Reads what <see cref="Encode"/> wrote: by the fingerprint of what is said, the fingerprint of its value and the
    /// newest letter that it overtakes.</summary>
    internal static Dictionary<ulong, (ulong Value, long Overtakes)> Decode(ReadOnlySpan<byte> bytes)
    {
        var told = new Dictionary<ulong, (ulong Value, long Overtakes)>();
        for (var rest = bytes; !rest.IsEmpty; rest = rest[SayingBytes..])
        {
            told[BinaryPrimitives.ReadUInt64LittleEndian(rest)] = (
                BinaryPrimitives.ReadUInt64LittleEndian(rest[sizeof(ulong)..]),
                BinaryPrimitives.ReadInt64LittleEndian(rest[(2 * sizeof(ulong))..]));
        }

        return told;
    }

    internal static byte[] Encode(Dictionary<ulong, (ulong Value, long Overtakes)> told)
    {
        var bytes = new ArrayBufferWriter<byte>(told.Count * SayingBytes);
        var writer = new RowWriter(bytes);
        foreach (var (name, (value, overtakes)) in told)
        {
            writer.WriteFixed(name);
            writer.WriteFixed(value);
            writer.WriteFixed((ulong)overtakes);
        }

        return bytes.WrittenSpan.ToArray();
    }
}
