using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>How a wish to let an id begin anew ended.</summary>
public enum LiftResult
{
    /// <summary>Events of the id count again.</summary>
    Lifted,

    /// <summary>The id is not erased.</summary>
    NotErased,

    /// <summary>An erasure that names the id is not done: it would take what comes meanwhile as well.</summary>
    UnderWay,
}

/// <summary>What operators do about erasures.</summary>
public sealed class ErasureDesk(PipelineParts parts)
{
    /// <summary>Suppresses an id from now on, whether anything is known of it or not, and puts the erasure of its person on the
    /// list.</summary>
    /// <param name="home">The id.</param>
    /// <param name="cancellationToken">Ends the waiting, not what has begun.</param>
    /// <returns>The number of the erasure; <see cref="RunErasure"/> runs it.</returns>
    public async Task<long> BeginAsync(PersonId home, CancellationToken cancellationToken)
    {
        var (connection, now) = (NumberOf(home.ConnectionId), parts.Time.GetUtcNow());
        var number = await parts.Database.WriteAsync(
            session =>
            {
                ErasedIdStatements.Add(session, connection, [home.DistinctId], ErasedLevel.Muted, now);
                return ErasureStatements.Add(session, connection, new ErasureWork([home.DistinctId]), now);
            },
            cancellationToken).ConfigureAwait(false);
        await parts.Erased.RefreshAsync(parts.Database, cancellationToken).ConfigureAwait(false);
        return number;
    }

    /// <summary>An erasure; null if the connection has none with this number.</summary>
    public Task<Erasure?> FindAsync(string connectionId, long number, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session => ErasureStatements.Find(session, number) is { } found && found.Connection == NumberOf(connectionId)
                ? found
                : null,
            cancellationToken);

    /// <summary>A page of a connection's erasures, the newest first.</summary>
    public Task<List<Erasure>> ListAsync(string connectionId, long below, int limit, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session => ErasureStatements.List(session, NumberOf(connectionId), below, limit), cancellationToken);

    /// <summary>Lets a person begin anew under an id that was erased. Nothing that was erased comes back.</summary>
    public async Task<LiftResult> LiftAsync(PersonId home, CancellationToken cancellationToken)
    {
        var connection = NumberOf(home.ConnectionId);
        var result = await parts.Database.WriteAsync(
            session =>
            {
                if (ErasureStatements.IsUnderWay(session, connection, home.DistinctId))
                {
                    return LiftResult.UnderWay;
                }

                var isLifted = ErasedIdStatements.Lift(session, connection, home.DistinctId);
                ErasedIdStatements.Lift(session, connection, ErasedMessages.LaneName(home.Priority.Lane));
                return isLifted ? LiftResult.Lifted : LiftResult.NotErased;
            },
            cancellationToken).ConfigureAwait(false);
        await parts.Erased.RefreshAsync(parts.Database, cancellationToken).ConfigureAwait(false);
        return result;
    }

    private int NumberOf(string connectionId) => parts.Layout.NumberByConnection[connectionId];
}
