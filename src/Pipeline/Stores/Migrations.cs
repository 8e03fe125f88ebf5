using System.Reflection;
using DbUp;
using DbUp.Builder;
using Npgsql;
using Polly;
using Polly.Retry;

namespace VarianceActors.Pipeline.Stores;

/// <summary>Brings the schema up to date with the numbered scripts of this assembly, each run once and in order.</summary>
internal static class Migrations
{
    /// <summary>The lock that nodes which start at the same time wait for; the number means nothing.</summary>
    private const long LockNumber = 7_046_029_254_386_353_131;

    /// <summary>A script that waits for a table keeps all others from it, so it waits for a moment only, and comes again: a backup
    /// that holds the tables must not stop the nodes that run.</summary>
    private static readonly ResiliencePipeline Patient = new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<PostgresException>(e => e.SqlState == PostgresErrorCodes.LockNotAvailable),
            MaxRetryAttempts = 30,
            Delay = TimeSpan.FromSeconds(10),
        })
        .Build();

    /// <summary>Whoever waits for its turn asks, and holds nothing meanwhile.</summary>
    private static readonly ResiliencePipeline<bool> InTurn = new ResiliencePipelineBuilder<bool>()
        .AddRetry(new RetryStrategyOptions<bool>
        {
            ShouldHandle = new PredicateBuilder<bool>().HandleResult(isLocked => !isLocked),
            MaxRetryAttempts = int.MaxValue,
            Delay = TimeSpan.FromMilliseconds(200),
        })
        .Build();

    /// <summary>Runs the scripts that a SQLite file has not seen.</summary>
    /// <exception cref="InvalidOperationException">A script failed; the database is as it was before that script.</exception>
    public static void RunOnSqlite(string connectionString) =>
        Run(DeployChanges.To.SqliteDatabase(connectionString), "Sqlite");

    /// <summary>Runs the scripts that a PostgreSQL database has not seen. Nodes that start at the same time take turns.</summary>
    /// <exception cref="InvalidOperationException">A script failed; the database is as it was before that script.</exception>
    /// <exception cref="NpgsqlException">The database cannot be reached, or somebody else holds a table for minutes.</exception>
    public static void RunOnPostgres(string connectionString)
    {
        using var connection = new NpgsqlConnection(connectionString);
        connection.Open();
        InTurn.Execute(() => Scalar(connection, $"SELECT pg_try_advisory_lock({LockNumber})") is true); // until the connection closes
        Scalar(connection, $"CREATE SCHEMA IF NOT EXISTS {PostgresAddress.PipelineSchema}");
        Patient.Execute(() => Run(
            DeployChanges.To
                .PostgresqlDatabase(connectionString)
                .JournalToPostgresqlTable(PostgresAddress.PipelineSchema, "schemaversions"),
            "Postgres"));
    }

    private static void Run(UpgradeEngineBuilder builder, string folder)
    {
        var result = builder
            .WithScriptsEmbeddedInAssembly(
                Assembly.GetExecutingAssembly(), name => name.Contains($".Scripts.{folder}.", StringComparison.Ordinal))
            .WithVariablesDisabled()
            .WithTransactionPerScript()
            .LogToNowhere()
            .Build()
            .PerformUpgrade();
        if (result.Error is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } busy)
        {
            throw busy;
        }

        if (!result.Successful)
        {
            throw new InvalidOperationException(
                $"The script {result.ErrorScript?.Name ?? "?"} could not be run on the database.", result.Error);
        }
    }

    private static object? Scalar(NpgsqlConnection connection, string text)
    {
        using var command = new NpgsqlCommand(text, connection);
        return command.ExecuteScalar();
    }
}
