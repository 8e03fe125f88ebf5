using Akka.Configuration;
using Akka.Hosting;
using Akka.Persistence.Sql.Config;
using LinqToDB;
using LinqToDB.DataProvider.PostgreSQL;
using LinqToDB.DataProvider.SQLite;

namespace VarianceActors.Pipeline.Stores;

/// <summary>Wires the journal and the snapshots.</summary>
public static class JournalHosting
{
    // As long as the journal's circuit breaker waits for a call (sqlite.conf): a file that is written anew takes its time.
    private static readonly TimeSpan JournalPatience = TimeSpan.FromSeconds(120);

    /// <summary>Keeps them where the configuration says.</summary>
    public static AkkaConfigurationBuilder WithJournal(this AkkaConfigurationBuilder builder, PipelineOptions options) =>
        options.Store == StoreKind.Postgres
            ? builder.WithPostgresJournal(options.Postgres)
            : builder.WithSqliteJournal(options.DataDir);

    /// <summary>Keeps them in <c>journal.db</c> in <paramref name="dataDirectory"/>.</summary>
    public static AkkaConfigurationBuilder WithSqliteJournal(this AkkaConfigurationBuilder builder, string dataDirectory)
    {
        var connectionString = SqliteConnectionString(dataDirectory);
        SqliteFile.Prepare(connectionString);
        return builder.WithSqlJournal("sqlite.conf", new DataOptions()
            .UseConnectionString(ProviderName.SQLiteMS, connectionString)
            .UseConnectionFactory(
                SQLiteTools.GetDataProvider(SQLiteProvider.Microsoft), _ => new JournalConnection(connectionString)));
    }

    /// <summary>Keeps them in the schema <c>journal</c>, which the pipeline's database makes when it is opened.</summary>
    public static AkkaConfigurationBuilder WithPostgresJournal(this AkkaConfigurationBuilder builder, PostgresOptions options)
    {
        var source = PostgresAddress.OpenJournal(options);
        return builder
            .WithSqlJournal("postgres.conf", new DataOptions()
                .UseProvider(ProviderName.PostgreSQL15)
                .UseConnectionFactory(
                    PostgreSQLTools.GetDataProvider(PostgreSQLVersion.v15), _ => source.CreateConnection()))
            .AddStartup((system, _) => system.RegisterOnTermination(source.Dispose));
    }

    internal static string SqliteConnectionString(string dataDirectory) => SqliteFile.ConnectionString(
        Path.Combine(dataDirectory, "journal.db"), busyTimeout: JournalPatience);

    private static AkkaConfigurationBuilder WithSqlJournal(
        this AkkaConfigurationBuilder builder, string hocon, DataOptions connections) => builder
        .AddSetup(new DataOptionsSetup(connections))
        .AddHocon(ConfigurationFactory.ParseString(PipelineHosting.ReadHocon(hocon)), HoconAddMode.Append)
        .AddHocon(Akka.Persistence.Sql.SqlPersistence.DefaultConfiguration, HoconAddMode.Append);
}
