using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline;

/// <summary>
/// Finishes what was begun of taking merges back, when the node that did it has stopped half way. Runs on every node; an undo
/// that two finish is done once.
/// </summary>
public sealed class UnfinishedUndos : UnfinishedWork
{
    private readonly PipelineParts _parts;
    private readonly MergeUndo _undo;
    private readonly IActorRef _people;

    /// <summary>Finishes what the database of <paramref name="parts"/> lists.</summary>
    /// <param name="parts">The pipeline.</param>
    /// <param name="people">The region of persons.</param>
    public UnfinishedUndos(PipelineParts parts, IActorRef people)
        : base(parts.Time)
    {
        (_parts, _people) = (parts, people);
        _undo = new MergeUndo(parts, new PersonJournal(Context.System), new Corrections(parts));
    }

    /// <inheritdoc />
    protected override async Task FinishAsync(DateTimeOffset before)
    {
        foreach (var (connection, mergeEvent, distinctId) in await _parts.Database
            .ReadAsync(session => UnfinishedUndoStatements.List(session, before)).ConfigureAwait(false))
        {
            if (_parts.Layout.ConnectionByNumber.TryGetValue(connection, out var connectionId))
            {
                await FinishAsync(new PersonId(connectionId, distinctId), mergeEvent).ConfigureAwait(false);
            }
        }
    }

    // One that fails keeps none of the others waiting.
    private async Task FinishAsync(PersonId home, Guid mergeEvent)
    {
        try
        {
            var answer = await _undo.UndoAsync(_people, home, mergeEvent, CancellationToken.None).ConfigureAwait(false);
            if (answer.Result == UndoResult.Busy)
            {
                Log.Warning(
                    "The merge of event {Event} was to be taken back and was not: its person changed all the time.",
                    mergeEvent);
            }
        }
        catch (Exception failure)
        {
            Log.Warning(
                failure, "The merge of event {Event} could not be taken back to the end; it is tried again soon.", mergeEvent);
        }
    }
}

/// <summary>Everything that is said to the table of unfinished undos.</summary>
internal static class UnfinishedUndoStatements
{
    private const int HomesAtOnce = 100;

    private static readonly Statement Add = new("""
        INSERT INTO unfinished_undo (connection, merge_event, distinct_id, since)
        VALUES (@connection, @merge_event, @distinct_id, @since) ON CONFLICT DO NOTHING
        """);

    private static readonly Statement Remove = new("""
        DELETE FROM unfinished_undo
        WHERE connection = @connection AND merge_event = @merge_event AND distinct_id = @distinct_id
        """);

    private static readonly Statement SelectOld = new("""
        SELECT connection, merge_event, distinct_id FROM unfinished_undo
        WHERE since <= @before ORDER BY since LIMIT @rows
        """);

    public static int Begin(Session session, int connection, Guid mergeEvent, string distinctId, DateTimeOffset since) =>
        session.Execute(
            Add, connection, mergeEvent.ToByteArray(bigEndian: true), distinctId, since.ToUnixTimeMilliseconds());

    public static int End(Session session, int connection, Guid mergeEvent, string distinctId) =>
        session.Execute(Remove, connection, mergeEvent.ToByteArray(bigEndian: true), distinctId);

    public static List<(int Connection, Guid MergeEvent, string DistinctId)> List(Session session, DateTimeOffset before) =>
        session.Query(
            SelectOld,
            row => (
                row.GetInt32(0), new Guid(row.GetFieldValue<byte[]>(1), bigEndian: true), row.GetString(2)),
            before.ToUnixTimeMilliseconds(),
            HomesAtOnce);
}
