using System.Collections.Immutable;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>A dead letter with its whole story.</summary>
/// <param name="Letter">The letter.</param>
/// <param name="Sendings">Its attempts, the first time it was sent and each time it was sent again.</param>
public sealed record DeadLetterStory(DeadLetter Letter, ImmutableArray<DeadLetterSending> Sendings);

/// <summary>The attempts of one time that a dead letter was in the outbox.</summary>
/// <param name="ReplayedAt">When it was put there again; null for the first time.</param>
/// <param name="Job">The job that did it; null for a single replay and for the first time.</param>
/// <param name="Attempts">In their order.</param>
public sealed record DeadLetterSending(DateTimeOffset? ReplayedAt, long? Job, ImmutableArray<AttemptRow> Attempts);

/// <summary>What operators do with dead letters.</summary>
public sealed class DeadLetterDesk(PipelineParts parts)
{
    private const long PageBytes = 8 << 20;

    /// <summary>Dead letters in the order they came, behind the one numbered <paramref name="after"/>. A page ends early when
    /// its letters are large.</summary>
    public Task<List<DeadLetter>> ListAsync(
        string connectionId,
        DeadLetterState? state,
        DeadLetterFilter filter,
        long after,
        int limit,
        CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session =>
            {
                var (letters, bytes) = (new List<DeadLetter>(), 0L);
                DeadLetterStatements.Scan(
                    session, NumberOf(connectionId), state, filter, (after, long.MaxValue), limit,
                    letter =>
                    {
                        letters.Add(letter);
                        bytes += letter.Message.Body.Length + letter.Response.Length;
                        return bytes < PageBytes;
                    });
                return letters;
            },
            cancellationToken);

    /// <summary>A dead letter with its whole story; null if there is none of this number.</summary>
    public Task<DeadLetterStory?> FindAsync(string connectionId, long id, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session =>
            {
                var connection = NumberOf(connectionId);
                return DeadLetterStatements.Find(session, connection, id) is { } letter
                    ? new DeadLetterStory(letter, [.. Sendings(session, connection, letter)])
                    : null;
            },
            cancellationToken);

    /// <summary>Puts one dead letter back into the outbox.</summary>
    /// <returns>Why not, and where it lies; null if there is none of this number.</returns>
    public Task<(LetterRefusal Refusal, IReadOnlyList<int> Touched)?> ReplayAsync(
        string connectionId, long id, bool force, CancellationToken cancellationToken)
    {
        var now = parts.Time.GetUtcNow();
        return parts.Database.WriteAsync<(LetterRefusal, IReadOnlyList<int>)?>(
            session =>
            {
                var connection = NumberOf(connectionId);
                if (DeadLetterStatements.FindToChange(session, connection, id) is not { } letter)
                {
                    return null;
                }

                var replay = new Replay(connection, parts.Layout.DeliveryPartitions, now);
                return (replay.Add(session, letter, force, job: null), replay.Write(session));
            },
            cancellationToken);
    }

    /// <summary>Gives one dead letter up.</summary>
    /// <returns>Why not; null if there is none of this number.</returns>
    public Task<LetterRefusal?> DiscardAsync(
        string connectionId, long id, string note, CancellationToken cancellationToken)
    {
        var now = parts.Time.GetUtcNow();
        return parts.Database.WriteAsync<LetterRefusal?>(
            session => DeadLetterStatements.FindToChange(session, NumberOf(connectionId), id) is { } letter
                ? DeadLetterJob.Discard(session, NumberOf(connectionId), letter, note, now)
                : null,
            cancellationToken);
    }

    /// <summary>Writes a job about many dead letters down; it is begun by <see cref="DeadLetterJobs"/>.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="kind">What is done with the letters.</param>
    /// <param name="filter">Which letters; only those that are dead now.</param>
    /// <param name="force">For a replay: also letters that name an id which was given up.</param>
    /// <param name="note">For a discard: why.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task<DeadLetterJob> StartAsync(
        string connectionId,
        DeadLetterJobKind kind,
        DeadLetterFilter filter,
        bool force,
        string? note,
        CancellationToken cancellationToken)
    {
        var connection = NumberOf(connectionId);
        var (total, newest) = await parts.Database
            .ReadAsync(session => DeadLetterStatements.Count(session, connection, filter), cancellationToken)
            .ConfigureAwait(false);
        var job = new DeadLetterJob(
            0, connection, kind, filter, force, note, parts.Time.GetUtcNow(), FinishedAt: null, newest, Cursor: 0, total,
            Done: 0, Refused: 0, Delivered: 0, Dead: 0, CancelledAt: null, Superseded: 0);
        return await parts.Database
            .WriteAsync(session => job with { Id = DeadLetterJobStatements.Add(session, job) }, cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>A job by its number; null if the connection has none of this kind and number.</summary>
    public Task<DeadLetterJob?> FindJobAsync(
        string connectionId, DeadLetterJobKind kind, long id, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(session => FindJob(session, connectionId, kind, id), cancellationToken);

    /// <summary>Stops a job that is not finished, between two of its steps; what it has done stays done.</summary>
    /// <returns>The job as it is then; null if the connection has none of this kind and number.</returns>
    public Task<DeadLetterJob?> CancelJobAsync(
        string connectionId, DeadLetterJobKind kind, long id, CancellationToken cancellationToken)
    {
        var now = parts.Time.GetUtcNow();
        return parts.Database.WriteAsync(
            session =>
            {
                if (FindJob(session, connectionId, kind, id) is null)
                {
                    return null;
                }

                DeadLetterJobStatements.Cancel(session, id, now);
                return DeadLetterJobStatements.Find(session, id);
            },
            cancellationToken);
    }

    /// <summary>Jobs numbered below <paramref name="below"/>, the newest first.</summary>
    public Task<List<DeadLetterJob>> ListJobsAsync(
        string connectionId, DeadLetterJobKind kind, long below, int limit, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session => DeadLetterJobStatements.List(session, NumberOf(connectionId), kind, below, limit),
            cancellationToken);

    private static IEnumerable<DeadLetterSending> Sendings(Session session, int connection, DeadLetter letter)
    {
        yield return new DeadLetterSending(
            null, null, [.. AttemptStatements.Of(session, connection, letter.DeliveryPartition, letter.Position)]);
        foreach (var place in ReplayStatements.Places(session, letter.Id))
        {
            yield return new DeadLetterSending(
                place.At,
                place.Job,
                [.. AttemptStatements.Of(session, connection, place.DeliveryPartition, place.Position)]);
        }
    }

    private DeadLetterJob? FindJob(Session session, string connectionId, DeadLetterJobKind kind, long id) =>
        DeadLetterJobStatements.Find(session, id) is { } job
            && job.Connection == NumberOf(connectionId) && job.Kind == kind ? job : null;

    private int NumberOf(string connectionId) => parts.Layout.NumberByConnection[connectionId];
}
