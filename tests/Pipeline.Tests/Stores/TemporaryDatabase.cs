using Akka.Hosting;
using VarianceActors.Databases;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Tests.Stores;

/// <summary>A real database of its own: a SQLite file in a folder, or a PostgreSQL database.</summary>
internal sealed class TemporaryDatabase : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("variance-store-");
    private readonly string? _connectionString;

    private TemporaryDatabase(string? connectionString)
    {
        _connectionString = connectionString;
        Database = Open();
    }

    public PipelineDatabase Database { get; private set; }

    public string Path => System.IO.Path.Combine(_directory.FullName, "pipeline.db");

    public PostgresOptions Postgres => OptionsFor(_connectionString!);

    public List<Exception> Broken { get; } = [];

    public static async Task<TemporaryDatabase> CreateAsync(StoreKind kind) => new(
        kind == StoreKind.Postgres ? await (await PostgresServer.Shared).CreateDatabaseAsync() : null);

    public static PostgresOptions OptionsFor(string connectionString) => new()
    {
        ConnectionString = connectionString,
        PasswordFile = "",
        WritersMax = 4,
        ReadersMax = 4,
        JournalConnectionsMax = 4,
        ConnectTimeout = TimeSpan.FromSeconds(3),
        StatementTimeout = TimeSpan.FromSeconds(10),
        LockTimeout = TimeSpan.FromSeconds(5),
    };

    public async Task ReopenAsync()
    {
        await Database.DisposeAsync();
        Database = Open();
    }

    /// <summary>Another node at the same database.</summary>
    public PipelineDatabase Open() => _connectionString is null
        ? PipelineDatabase.Open(_directory.FullName, TimeSpan.FromSeconds(1), Broken.Add)
        : PipelineDatabase.Open(Postgres);

    /// <summary>The journal beside it, as a node has it.</summary>
    public AkkaConfigurationBuilder WithJournal(AkkaConfigurationBuilder akka) => _connectionString is null
        ? akka.WithSqliteJournal(_directory.FullName)
        : akka.WithPostgresJournal(Postgres);

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        _directory.Delete(recursive: true);
    }
}
