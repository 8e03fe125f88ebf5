using System.Reflection;
using DbUp;
using DbUp.Builder;
using Npgsql;

namespace VarianceActors.Pipeline.Stores;

/// <summary>Brings the schema up to date with the numbered scripts of this assembly, each run once and in order.</summary>
internal static class Migrations
{
    /// <summary>The lock that nodes which start at the same time wait for; the number means nothing.</summary>
    private const long LockNumber = 7_046_029_254_386_353_131;

    /// <summary>Runs the scripts that a SQLite file has not seen.</summary>
    /// <exception cref="InvalidOperationException">A script failed; the database is as it was before that script.</exception>
    public static void RunOnSqlite(string connectionString) =>
        Run(DeployChanges.To.SqliteDatabase(connectionString), "Sqlite");

    /// <summary>Runs the scripts that a PostgreSQL database has not seen. Nodes that start at the same time take turns.</summary>
    /// <exception cref="InvalidOperationException">A script failed; the database is as it was before that script.</exception>
    /// <exception cref="NpgsqlException">The database cannot be reached.</exception>
    public static void RunOnPostgres(string connectionString)
    {
        using var connection = new NpgsqlConnection(connectionString);
        connection.Open();
        Execute(connection, $"SELECT pg_advisory_lock({LockNumber})"); // until the connection closes
        Execute(connection, $"CREATE SCHEMA IF NOT EXISTS {PostgresAddress.PipelineSchema}");
        Run(
            DeployChanges.To
                .PostgresqlDatabase(connectionString)
                .JournalToPostgresqlTable(PostgresAddress.PipelineSchema, "schemaversions"),
            "Postgres");
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
        if (!result.Successful)
        {
            throw new InvalidOperationException(
                $"The script {result.ErrorScript?.Name ?? "?"} could not be run on the database.", result.Error);
        }
    }

    private static void Execute(NpgsqlConnection connection, string text)
    {
        using var command = new NpgsqlCommand(text, connection);
        command.ExecuteNonQuery();
    }
}
