using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Tests.Stores;

/// <summary>A real SQLite file in a folder of its own.</summary>
internal sealed class TemporaryDatabase : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("variance-store-");

    public TemporaryDatabase() => Database = Open();

    public PipelineDatabase Database { get; private set; }

    public string Path => System.IO.Path.Combine(_directory.FullName, "pipeline.db");

    public List<Exception> Broken { get; } = [];

    public async Task ReopenAsync()
    {
        await Database.DisposeAsync();
        Database = Open();
    }

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        _directory.Delete(recursive: true);
    }

    private PipelineDatabase Open() =>
        PipelineDatabase.Open(_directory.FullName, TimeSpan.FromSeconds(1), Broken.Add);
}
