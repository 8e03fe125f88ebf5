using Akka.Configuration;
using Akka.Hosting;
using Akka.Persistence.Sql.Config;
using LinqToDB;
using LinqToDB.DataProvider.SQLite;

namespace VarianceActors.Pipeline.Stores;

/// <summary>Wires the journal and the snapshots.</summary>
public static class JournalHosting
{
    /// <summary>Keeps them in <c>journal.db</c> in <paramref name="dataDirectory"/>.</summary>
    public static AkkaConfigurationBuilder WithSqliteJournal(this AkkaConfigurationBuilder builder, string dataDirectory)
    {
        var connectionString = SqliteFile.ConnectionString(
            Path.Combine(dataDirectory, "journal.db"), busyTimeout: TimeSpan.FromSeconds(30));
        SqliteFile.Prepare(connectionString);
        var escaped = connectionString.Replace("\\", "\\\\", StringComparison.Ordinal);
        return builder
            .AddSetup(new DataOptionsSetup(new DataOptions()
                .UseConnectionString(ProviderName.SQLiteMS, connectionString)
                .UseConnectionFactory(
                    SQLiteTools.GetDataProvider(SQLiteProvider.Microsoft), _ => new JournalConnection(connectionString))))
            .AddHocon(
                ConfigurationFactory.ParseString($$"""
                    akka.persistence {
                      journal.sql.connection-string = "{{escaped}}"
                      query.journal.sql.connection-string = "{{escaped}}"
                      snapshot-store.sql.connection-string = "{{escaped}}"
                    }
                    """),
                HoconAddMode.Prepend)
            .AddHocon(ConfigurationFactory.ParseString(PipelineHosting.ReadHocon("sqlite.conf")), HoconAddMode.Append)
            .AddHocon(Akka.Persistence.Sql.SqlPersistence.DefaultConfiguration, HoconAddMode.Append);
    }
}
