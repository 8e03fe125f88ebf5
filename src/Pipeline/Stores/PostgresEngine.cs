using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using Npgsql;
using NpgsqlTypes;

namespace VarianceActors.Pipeline.Stores;

/// <summary>
/// PostgreSQL has as many writers as there are connections, here and on other nodes. Each unit is a transaction of its own, so
/// that its rows are locked in its own order; the server lets commits that come together share a write to the disk.
/// </summary>
internal sealed class PostgresEngine(PostgresOptions options) : Engine
{
    private static readonly TimeSpan LeaveAlone = TimeSpan.FromSeconds(1);
    private readonly NpgsqlDataSource _source = PostgresAddress.OpenPipeline(options);
    private readonly ConcurrentDictionary<Statement, NpgsqlDbType[]> _types = [];
    private long _awayUntil;

    public override int WritersMax => options.WritersMax;

    public override int ReadersMax => options.ReadersMax;

    public override int UnitsPerCommitMax => 1;

    public override TimeSpan ReaderPatience => options.StatementTimeout;

    /// <summary>While the server is away, one attempt a second finds out for all.</summary>
    public override DbConnection Connect()
    {
        if (Environment.TickCount64 < Volatile.Read(ref _awayUntil))
        {
            throw new NpgsqlException("The database could not be reached a moment ago.");
        }

        try
        {
            return _source.OpenConnection();
        }
        catch (Exception failure) when (IsConnectionFailure(failure))
        {
            Volatile.Write(ref _awayUntil, Environment.TickCount64 + (long)LeaveAlone.TotalMilliseconds);
            throw failure as NpgsqlException ?? new NpgsqlException("The database cannot be reached.", failure);
        }
    }

    /// <summary>Who writes sees what others have committed, statement by statement, and waits for rows that they hold.</summary>
    public override DbTransaction Begin(DbConnection connection, bool write) =>
        connection.BeginTransaction(write ? IsolationLevel.ReadCommitted : IsolationLevel.RepeatableRead);

    public override string TextOf(Statement statement) => statement.PositionalText;

    public override IEnumerable<DbParameter> ParametersOf(Statement statement, DbConnection connection) =>
        _types.GetOrAdd(statement, TypesOf, (NpgsqlConnection)connection).Select(type => new NpgsqlParameter { NpgsqlDbType = type });

    /// <summary>No text of PostgreSQL may hold NUL.</summary>
    public override object ValueOf(object? value) => value switch
    {
        null => DBNull.Value,
        int number => (long)number,
        string text when text.Contains('\0') => text.Replace('\0', '\uFFFD'),
        _ => value,
    };

    public override bool MayRunAgain(Exception failure, bool isReused, bool commitSent) => failure switch
    {
        PostgresException { SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure } => true,
        PostgresException { SqlState: not (PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown) } => false,
        _ => isReused && !commitSent && IsConnectionFailure(failure) && !IsTimeout(failure),
    };

    public override bool IsBroken(Exception failure) => false;

    public override void Rewrite()
    {
        // The server's own autovacuum does it, in its time.
    }

    public override bool TruncateLog() => true;

    public override ValueTask DisposeAsync() => _source.DisposeAsync();

    private static bool IsConnectionFailure(Exception failure) =>
        failure is NpgsqlException or IOException or System.Net.Sockets.SocketException or TimeoutException
            or InvalidOperationException;

    private static bool IsTimeout(Exception failure) => failure is TimeoutException or { InnerException: TimeoutException };

    /// <summary>The server itself says of which type each parameter is: a value that is missing says nothing about it.</summary>
    private static NpgsqlDbType[] TypesOf(Statement statement, NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand(statement.Text, connection);
        NpgsqlCommandBuilder.DeriveParameters(command);
        return [.. statement.Parameters.Select(name => command.Parameters[name].NpgsqlDbType)];
    }
}
