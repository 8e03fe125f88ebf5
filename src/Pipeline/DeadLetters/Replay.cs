using System.Buffers;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>Why a dead letter is not sent again, or given up.</summary>
public enum LetterRefusal
{
    /// <summary>It is.</summary>
    None,

    /// <summary>It is no dead letter any more: it is on its way, delivered or discarded.</summary>
    NotDead,

    /// <summary>The id that it names was given up by an alias since: sending it would make that contact again.</summary>
    IdGivenUp,

    /// <summary>Newer values of the same contact or account were delivered since: sending it would put old ones back.</summary>
    Overtaken,

    /// <summary>Everything that it says was told anew since: it is settled without being sent.</summary>
    Superseded,
}

/// <summary>Dead letters on their way back into the outbox, within one transaction: each keeps its bytes and its message id, and
/// goes to the end of the lane that its person has now.</summary>
/// <param name="connection">The number of the connection.</param>
/// <param name="deliveryPartitions">How many delivery partitions it has.</param>
/// <param name="now">The time.</param>
internal sealed class Replay(int connection, int deliveryPartitions, DateTimeOffset now)
{
    private const string GivenUpNote =
        "The id that it names was given up by an alias since: sending it would make that contact again. "
        + "Force it if that is meant.";

    public const string OvertakenNote =
        "Newer values of the same contact or account were delivered since: sending it would put old ones back. "
        + "Force it if that is meant.";

    public const string SupersededNote = "Everything that it says was told anew since.";

    private readonly List<(DeadLetter Letter, long? Job, bool Force)> _letters = [];

    /// <summary>Takes a letter in, unless it is refused; a refusal that an operator should know of is noted at the letter.</summary>
    public LetterRefusal Add(Session session, DeadLetter letter, bool force, long? job)
    {
        if (letter.State != DeadLetterState.Dead)
        {
            return LetterRefusal.NotDead;
        }

        if (!force && NamesGivenUpId(session, letter))
        {
            DeadLetterStatements.SetNote(session, letter.Id, GivenUpNote);
            return LetterRefusal.IdGivenUp;
        }

        switch (force ? LetterFate.Send : ToldStates.FateOf(session, connection, letter))
        {
            case LetterFate.Overtaken:
                DeadLetterStatements.SetNote(session, letter.Id, OvertakenNote);
                return LetterRefusal.Overtaken;
            case LetterFate.Superseded:
                DeadLetterStatements.SetState(session, letter.Id, DeadLetterState.Superseded, SupersededNote, now);
                DeadLetterJobStatements.CountOutcome(session, job, superseded: 1);
                ReplayStatements.ChangeBooks(session, connection, letter, books => books.WithSuperseded());
                return LetterRefusal.Superseded;
        }

        _letters.Add((letter, job, force));
        DeadLetterStatements.SetState(session, letter.Id, DeadLetterState.Replaying, note: null, now);
        ReplayStatements.ChangeBooks(session, connection, letter, books => books.WithReplay());
        return LetterRefusal.None;
    }

    /// <summary>Writes the outbox rows.</summary>
    /// <returns>The delivery partitions that got messages.</returns>
    public IReadOnlyList<int> Write(Session session)
    {
        var lanes = HoldLanes(session);
        var partitions = _letters.ToLookup(one => PartitionOf(lanes[one.Letter.Lane]));
        foreach (var letters in partitions)
        {
            var (partition, index) = (letters.Key, 0);
            var payload = new ArrayBufferWriter<byte>();
            OutboxRow.Begin(payload);
            var first = OutboxStatements.Raise(session, connection, partition, letters.Count(), events: 0);
            foreach (var (letter, job, force) in letters)
            {
                OutboxRow.Append(payload, EntryOf(letter, lanes[letter.Lane]) with { IsBackfill = job is not null });
                ReplayStatements.Add(session, connection, letter.Id, new ReplayPlace(partition, first + index++, now, job), force);
            }

            OutboxStatements.Add(
                session, connection, partition, first, index, now, payload.WrittenSpan.ToArray());
        }

        return [.. partitions.Select(letters => letters.Key)];
    }

    private static OutboxEntry EntryOf(DeadLetter letter, ulong lane) =>
        new(0, lane, letter.Uuid, letter.Fingerprint, Closes: false, letter.AcceptedAt, letter.Message)
        {
            IsReplay = true,
        };

    /// <summary>The lanes that the letters' persons have now, by those that the letters have: a letter that was written down
    /// while its lane was closed was not taken along. Nobody closes them any more until the transaction ends.</summary>
    private Dictionary<ulong, ulong> HoldLanes(Session session)
    {
        var known = _letters.Select(one => one.Letter.Lane).ToHashSet();
        var held = new HashSet<int>();
        while (true)
        {
            var lanes = LaneStatements.Current(session, connection, known);
            var partitions = lanes.Values.Select(PartitionOf).Except(held).Order().ToList();
            if (partitions.Count == 0)
            {
                return lanes;
            }

            // A lane may have been closed until its delivery partition was held: look again.
            partitions.ForEach(partition => OutboxStatements.Hold(session, connection, partition));
            held.UnionWith(partitions);
        }
    }

    private int PartitionOf(ulong lane) => (int)(lane % (ulong)deliveryPartitions);

    private bool NamesGivenUpId(Session session, DeadLetter letter) =>
        MessageFields.ContactOf(letter.Message) is { } id
        && GivenUpIds.Contains(session, connection, GivenUpIds.HashOf(id));
}
