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

    private readonly SortedDictionary<int, List<(DeadLetter Letter, long? Job, bool Force)>> _letters = [];

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

        var partition = (int)(letter.Lane % (ulong)deliveryPartitions);
        if (!_letters.TryGetValue(partition, out var letters))
        {
            _letters[partition] = letters = [];
        }

        letters.Add((letter, job, force));
        DeadLetterStatements.SetState(session, letter.Id, DeadLetterState.Replaying, note: null, now);
        ReplayStatements.ChangeBooks(session, connection, letter, books => books.WithReplay());
        return LetterRefusal.None;
    }

    /// <summary>Writes the outbox rows.</summary>
    /// <returns>The delivery partitions that got messages.</returns>
    public IReadOnlyList<int> Write(Session session)
    {
        foreach (var (partition, letters) in _letters)
        {
            var payload = new ArrayBufferWriter<byte>();
            OutboxRow.Begin(payload);
            var first = OutboxStatements.Raise(session, connection, partition, letters.Count, events: 0);
            for (var index = 0; index < letters.Count; index++)
            {
                var (letter, job, force) = letters[index];
                OutboxRow.Append(payload, EntryOf(letter) with { IsBackfill = job is not null });
                ReplayStatements.Add(session, connection, letter.Id, new ReplayPlace(partition, first + index, now, job), force);
            }

            OutboxStatements.Add(
                session, connection, partition, first, letters.Count, now, payload.WrittenSpan.ToArray());
        }

        return [.. _letters.Keys];
    }

    private static OutboxEntry EntryOf(DeadLetter letter) =>
        new(0, letter.Lane, letter.Uuid, letter.Fingerprint, Closes: false, letter.AcceptedAt, letter.Message)
        {
            IsReplay = true,
        };

    private bool NamesGivenUpId(Session session, DeadLetter letter) =>
        MessageFields.ContactOf(letter.Message) is { } id
        && GivenUpIds.Contains(session, connection, GivenUpIds.HashOf(id));
}
