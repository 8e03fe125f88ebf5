using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>What a job does with dead letters.</summary>
public enum DeadLetterJobKind : byte
{
    /// <summary>Sends them again.</summary>
    Replay = 1,

    /// <summary>Gives them up.</summary>
    Discard = 2,
}

/// <summary>A wish about many dead letters, and how far it is.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Connection">The number of the connection.</param>
/// <param name="Kind">What it does.</param>
/// <param name="Filter">Which dead letters it is about.</param>
/// <param name="Force">Whether letters are sent all the same that would bring a contact or old values back.</param>
/// <param name="Note">Why letters are discarded; null for a replay.</param>
/// <param name="CreatedAt">When it was asked for.</param>
/// <param name="FinishedAt">When every letter had been looked at; null while it runs.</param>
/// <param name="LastLetter">It is about letters up to this one: what dies later is not its business.</param>
/// <param name="Cursor">Letters up to this one have been looked at.</param>
/// <param name="Total">How many letters met the filter when it was asked for.</param>
/// <param name="Done">How many letters were put back into the outbox, or discarded.</param>
/// <param name="Refused">How many were not: they name an id that was given up, or were overtaken by a newer state.</param>
/// <param name="Delivered">Of those put back, how many are delivered by now.</param>
/// <param name="Dead">Of those put back, how many died again.</param>
/// <param name="CancelledAt">When an operator stopped it before its end; else null.</param>
/// <param name="Superseded">Of those done, how many need not be sent any more: what they say was told anew.</param>
public sealed record DeadLetterJob(
    long Id,
    int Connection,
    DeadLetterJobKind Kind,
    DeadLetterFilter Filter,
    bool Force,
    string? Note,
    DateTimeOffset CreatedAt,
    DateTimeOffset? FinishedAt,
    long LastLetter,
    long Cursor,
    long Total,
    long Done,
    long Refused,
    long Delivered,
    long Dead,
    DateTimeOffset? CancelledAt,
    long Superseded)
{
    private const int StepLetters = 200;
    private const int StepNumbers = 5_000;
    private const long StepBytes = 1 << 20;

    /// <summary>Goes one step: some letters, and how far the job is, in one transaction.</summary>
    /// <returns>The delivery partitions that got messages, and whether there is more to do.</returns>
    internal static (IReadOnlyList<int> Touched, bool HasMore) Step(
        Session session, long id, int deliveryPartitions, DateTimeOffset now)
    {
        if (DeadLetterJobStatements.FindToChange(session, id) is not { FinishedAt: null } job)
        {
            return ([], false);
        }

        var (letters, cursor) = Next(session, job);
        var replay = new Replay(job.Connection, deliveryPartitions, now);
        var refused = 0;
        foreach (var letter in letters)
        {
            if (job.Kind == DeadLetterJobKind.Discard)
            {
                Discard(session, job.Connection, letter, job.Note!, now);
            }
            else if (replay.Add(session, letter, job.Force, id) is LetterRefusal.IdGivenUp or LetterRefusal.Overtaken)
            {
                refused++;
            }
        }

        var touched = replay.Write(session);
        var hasMore = cursor < job.LastLetter;
        DeadLetterJobStatements.Move(session, job, cursor, letters.Count - refused, refused, hasMore ? null : now);
        return (touched, hasMore);
    }

    /// <summary>Gives a letter up.</summary>
    internal static LetterRefusal Discard(
        Session session, int connection, DeadLetter letter, string note, DateTimeOffset now)
    {
        if (letter.State != DeadLetterState.Dead)
        {
            return LetterRefusal.NotDead;
        }

        DeadLetterStatements.SetState(session, letter.Id, DeadLetterState.Discarded, note, now);
        ReplayStatements.ChangeBooks(session, connection, letter, books => books.WithDiscard());
        return LetterRefusal.None;
    }

    /// <summary>The next letters, and how far that is. A step looks at so many numbers at most, because a filter may meet few
    /// of them, and holds so many bytes.</summary>
    private static (List<DeadLetter> Letters, long Cursor) Next(Session session, DeadLetterJob job)
    {
        // The person may have become part of another one since the job began.
        var filter = job.Filter.Lane is { } lane
            ? job.Filter with { Lane = LaneStatements.Current(session, job.Connection, lane) }
            : job.Filter;
        var (letters, bytes) = (new List<DeadLetter>(), 0L);
        var cursor = Math.Min(job.LastLetter, job.Cursor + StepNumbers);
        DeadLetterStatements.ScanDeadToChange(
            session, job.Connection, filter, (job.Cursor, cursor), StepLetters,
            letter =>
            {
                letters.Add(letter);
                bytes += letter.Message.Body.Length;
                if (letters.Count == StepLetters || bytes >= StepBytes)
                {
                    cursor = letter.Id;
                }

                return cursor != letter.Id;
            });
        return (letters, cursor);
    }
}
