using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>An attempt to deliver a message, as it was written down.</summary>
/// <param name="Number">From 1; where numbers are missing, attempts in the middle were forgotten.</param>
/// <param name="At">When it began.</param>
/// <param name="Latency">How long it took.</param>
/// <param name="Status">The HTTP status; null if no answer came.</param>
/// <param name="Reason">A short word for what it means, such as <c>status-503</c> or <c>timeout</c>.</param>
/// <param name="Response">The first part of the answer's body; empty if there was none, or if it was forgotten.</param>
public sealed record AttemptRow(
    int Number, DateTimeOffset At, TimeSpan Latency, int? Status, string Reason, byte[] Response);

/// <summary>Everything that is said to the table of attempts. Of a message that was tried very often, the first and the last
/// attempts are kept, and fewer answers: pages of errors are large, and a receiver that fails gives them to everybody.</summary>
internal static class AttemptStatements
{
    private const int KeptFirst = 10;
    private const int KeptLast = 90;
    private const int AnswersFirst = 3;
    private const int AnswersLast = 3;

    private static readonly Statement AddAttempt = new("""
        INSERT INTO attempt (connection, delivery_partition, position, number, at, latency, status, reason, response)
        VALUES (@connection, @delivery_partition, @position, @number, @at, @latency, @status, @reason, @response)
        ON CONFLICT DO NOTHING
        """);

    private static readonly Statement Forget = new("""
        DELETE FROM attempt WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND position = @position AND number = @number
        """);

    private static readonly Statement ForgetAnswer = new("""
        UPDATE attempt SET response = NULL WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND position = @position AND number = @number
        """);

    private static readonly Statement SelectOf = new("""
        SELECT number, at, latency, status, reason, response FROM attempt
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position = @position
        ORDER BY number
        """);

    private static readonly Statement DeleteOf = new("""
        DELETE FROM attempt
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position = @position
        """);

    private static readonly Statement SelectOld = new("""
        SELECT DISTINCT position FROM attempt
        WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND position > @after AND position < @below ORDER BY position LIMIT @rows
        """);

    private static readonly Statement SelectIsLetter = new("""
        SELECT 1 FROM dead_letter
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position = @position
        UNION ALL
        SELECT 1 FROM replay
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position = @position
        """);

    /// <summary>Writes an attempt to deliver the message at a place down.</summary>
    public static void Add(
        Session session, int connection, int deliveryPartition, long position, DeliveryAttempt attempt)
    {
        session.Post(
            AddAttempt,
            connection,
            deliveryPartition,
            position,
            attempt.Number,
            attempt.At.ToUnixTimeMilliseconds(),
            (long)attempt.Latency.TotalMilliseconds,
            attempt.Status,
            attempt.Status is { } status && attempt.Reason == DeliveryAttempt.ReasonOf(status) ? null : attempt.Reason,
            attempt.Response.IsEmpty ? null : attempt.Response.ToArray());
        if (attempt.Number > AnswersFirst + AnswersLast)
        {
            session.Post(ForgetAnswer, connection, deliveryPartition, position, attempt.Number - AnswersLast);
        }

        if (attempt.Number > KeptFirst + KeptLast)
        {
            session.Post(Forget, connection, deliveryPartition, position, attempt.Number - KeptLast);
        }
    }

    /// <summary>The attempts to deliver the message at a place.</summary>
    public static List<AttemptRow> Of(Session session, int connection, int deliveryPartition, long position) => session.Query(
        SelectOf,
        row => new AttemptRow(
            row.GetInt32(0),
            DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)),
            TimeSpan.FromMilliseconds(row.GetInt64(2)),
            row.IsDBNull(3) ? null : row.GetInt32(3),
            row.IsDBNull(4) ? DeliveryAttempt.ReasonOf(row.GetInt32(3)) : row.GetString(4),
            row.IsDBNull(5) ? [] : row.GetFieldValue<byte[]>(5)),
        connection, deliveryPartition, position);

    /// <summary>Forgets the attempts of the message at a place.</summary>
    /// <returns>How many rows went.</returns>
    public static int Delete(Session session, int connection, int deliveryPartition, long position) =>
        session.Execute(DeleteOf, connection, deliveryPartition, position);

    /// <summary>Forgets attempts of messages that the outbox does not hold any more, except those of dead letters.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="deliveryPartition">The delivery partition.</param>
    /// <param name="after">The position that an earlier call came to; -1 for the first.</param>
    /// <param name="below">The first position that the outbox holds.</param>
    /// <param name="rows">At most so many messages.</param>
    /// <returns>How many rows went, and the position that the next call may begin behind.</returns>
    public static (int Rows, long Reached) DeleteOldest(
        Session session, int connection, int deliveryPartition, long after, long below, int rows)
    {
        var deleted = 0;
        foreach (var position in session.Query(
            SelectOld, row => row.GetInt64(0), connection, deliveryPartition, after, below, rows))
        {
            after = position;
            if (session.Scalar(SelectIsLetter, connection, deliveryPartition, position) is null)
            {
                deleted += Delete(session, connection, deliveryPartition, position);
            }
        }

        return (deleted, after);
    }
}
