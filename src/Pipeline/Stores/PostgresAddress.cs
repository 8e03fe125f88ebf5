using System.Data.Common;
using System.Globalization;
using Npgsql;

namespace VarianceActors.Pipeline.Stores;

/// <summary>How this project opens a PostgreSQL database: every wait has an end, and pools are as large as they are used.</summary>
public static class PostgresAddress
{
    /// <summary>The schema of inbox, outbox, ledger and whatever else is not the journal's.</summary>
    public const string PipelineSchema = "pipeline";

    /// <summary>Whether a text names a server, a database and a user; an empty one is taken as not given.</summary>
    public static bool IsComplete(string connectionString)
    {
        try
        {
            var parts = new NpgsqlConnectionStringBuilder(connectionString);
            return string.IsNullOrWhiteSpace(connectionString)
                || (parts.Host is { Length: > 0 } && parts.Database is { Length: > 0 } && parts.Username is { Length: > 0 });
        }
        catch (Exception e) when (e is ArgumentException or FormatException or OverflowException)
        {
            return false;
        }
    }

    /// <summary>What of a complete connection string is no secret.</summary>
    public static string Shown(string connectionString)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString);
        return $"PostgreSQL at {parts.Host}, database {parts.Database}";
    }

    /// <summary>For the pipeline's tables.</summary>
    internal static NpgsqlDataSource OpenPipeline(PostgresOptions options)
    {
        var parts = Parts(options);
        parts.SearchPath = PipelineSchema;
        parts.MaxPoolSize = options.WritersMax + options.ReadersMax;

        // Each statement is prepared once per connection; there are fewer than that.
        parts.MaxAutoPrepare = 400;
        parts.AutoPrepareMinUsages = 2;
        return NpgsqlDataSource.Create(parts);
    }

    /// <summary>For the journal and the snapshots.</summary>
    internal static NpgsqlDataSource OpenJournal(PostgresOptions options)
    {
        var parts = Parts(options);
        parts.MaxPoolSize = options.JournalConnectionsMax;
        parts.MaxAutoPrepare = 50;
        parts.AutoPrepareMinUsages = 3;
        return NpgsqlDataSource.Create(parts);
    }

    /// <summary>Refuses a server that answers a commit before it is on disk, by its own settings or by those of the role or the
    /// database: an event that was answered with 200 could be lost.</summary>
    /// <exception cref="DbException">It does; the message names the settings.</exception>
    internal static void ExpectDurable(PostgresOptions options)
    {
        using var connection = new NpgsqlConnection(ForMigrations(options));
        connection.Open();
        using var command = new NpgsqlCommand(
            "SELECT string_agg(name, ', ' ORDER BY name) FROM pg_settings "
                + "WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'",
            connection);
        if (command.ExecuteScalar() is string off)
        {
            throw new UnsafeDatabaseException(
                $"{off} must not be off (for the server, this database or this role): events that are accepted must be on disk.");
        }
    }

    /// <summary>For changes of the schema: they may take their time, but they wait for nobody for longer than the nodes that run wait
    /// for them. A node that is lost while it holds the lock of migrations loses it within seconds.</summary>
    internal static string ForMigrations(PostgresOptions options)
    {
        var parts = Parts(options);
        parts.SearchPath = PipelineSchema;
        parts.Options = string.Create(CultureInfo.InvariantCulture, $"""
            -c lock_timeout={(long)(options.LockTimeout * 0.5).TotalMilliseconds} -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=5
            """);
        parts.CommandTimeout = 0;
        parts.Pooling = false;
        return parts.ConnectionString;
    }

    private static NpgsqlConnectionStringBuilder Parts(PostgresOptions options)
    {
        var parts = new NpgsqlConnectionStringBuilder(options.ConnectionString)
        {
            Timeout = Seconds(options.ConnectTimeout),
            CommandTimeout = Seconds(options.StatementTimeout) + 1,

            // A server that does not answer a statement does not answer its cancellation either.
            CancellationTimeout = -1,
            // A transaction whose node stands still gives its locks back before those who wait for them give up.
            Options = string.Create(CultureInfo.InvariantCulture, $"""
                -c statement_timeout={(long)options.StatementTimeout.TotalMilliseconds} -c lock_timeout={(
                    long)options.LockTimeout.TotalMilliseconds} -c idle_in_transaction_session_timeout={(
                    long)(options.LockTimeout * 0.8).TotalMilliseconds}
                """),
            ApplicationName = "variance",
            NoResetOnClose = true,
            Enlist = false,
            TcpKeepAlive = true,
            TcpKeepAliveTime = 5,
            TcpKeepAliveInterval = 1,
        };
        if (options.PasswordFile.Length > 0)
        {
            parts.Password = File.ReadLines(options.PasswordFile).FirstOrDefault() ?? "";
        }

        return parts;
    }

    private static int Seconds(TimeSpan time) => (int)Math.Ceiling(time.TotalSeconds);
}
