using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;
using Npgsql;
using NpgsqlTypes;
using VarianceActors.Databases;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>The least that keeping bytes can cost: the same bytes in the same batches, each batch cut into as many rows as the
/// inbox has partitions and committed with an fsync, and nothing else.</summary>
internal sealed class BulkInsert : IAsyncDisposable
{
    private const int Rows = 32;
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("variance-bulk-");
    private readonly SqliteConnection? _sqlite;
    private readonly NpgsqlConnection? _postgres;
    private readonly PostgresServer? _server;
    private long _next;

    private BulkInsert(PostgresServer? server, NpgsqlConnection? postgres)
    {
        (_server, _postgres) = (server, postgres);
        if (postgres is null)
        {
            var file = SqliteFile.ConnectionString(Path.Combine(_directory.FullName, "bulk.db"), TimeSpan.FromSeconds(5));
            SqliteFile.Prepare(file);
            _sqlite = new SqliteConnection(file);
            _sqlite.Open();
            Execute("PRAGMA synchronous = FULL; CREATE TABLE bulk (id INTEGER NOT NULL PRIMARY KEY, payload BLOB NOT NULL)");
        }
    }

    /// <summary>Opens an empty database.</summary>
    public static async Task<BulkInsert> OpenAsync(string store)
    {
        if (store == "sqlite")
        {
            return new BulkInsert(null, null);
        }

        var server = await PostgresServer.StartAsync();
        var connection = new NpgsqlConnection(await server.CreateDatabaseAsync());
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("CREATE TABLE bulk (id BIGINT NOT NULL PRIMARY KEY, payload BYTEA NOT NULL)", connection);
        await command.ExecuteNonQueryAsync();
        return new BulkInsert(server, connection);
    }

    /// <summary>Inserts batches of a size until so many bytes are in.</summary>
    /// <returns>Bytes a second.</returns>
    public async Task<double> RunAsync(long bytes, long batchBytes)
    {
        var payload = new byte[batchBytes / Rows];
        new Random(1).NextBytes(payload);
        var watch = Stopwatch.StartNew();
        var written = 0L;
        for (; written < bytes; written += payload.LongLength * Rows)
        {
            if (_sqlite is null)
            {
                await CopyAsync(payload);
            }
            else
            {
                Insert(payload);
            }
        }

        return written / watch.Elapsed.TotalSeconds;
    }

    /// <summary>An fsync of 4 KB behind a file's end, in milliseconds.</summary>
    public double FsyncMilliseconds(int times)
    {
        using SafeFileHandle file = File.OpenHandle(
            Path.Combine(_directory.FullName, "fsync"), FileMode.Create, FileAccess.Write);
        var (page, watch) = (new byte[4096], Stopwatch.StartNew());
        for (var time = 0; time < times; time++)
        {
            RandomAccess.Write(file, page, time * page.LongLength);
            RandomAccess.FlushToDisk(file);
        }

        return watch.Elapsed.TotalMilliseconds / times;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_sqlite is not null)
        {
            await _sqlite.DisposeAsync();
            SqliteConnection.ClearAllPools();
        }

        if (_postgres is not null)
        {
            await _postgres.DisposeAsync();
            await _server!.DisposeAsync();
        }

        _directory.Delete(recursive: true);
    }

    private void Execute(string text)
    {
        using var command = _sqlite!.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }

    private void Insert(byte[] payload)
    {
        using var transaction = _sqlite!.BeginTransaction();
        using var command = _sqlite.CreateCommand();
        command.CommandText = "INSERT INTO bulk (payload) VALUES (@payload)";
        command.Parameters.AddWithValue("@payload", payload);
        command.Prepare();
        for (var row = 0; row < Rows; row++)
        {
            command.ExecuteNonQuery();
        }

        transaction.Commit();
    }

    private async Task CopyAsync(byte[] payload)
    {
        await using var copy = await _postgres!.BeginBinaryImportAsync("COPY bulk (id, payload) FROM STDIN (FORMAT BINARY)");
        for (var row = 0; row < Rows; row++)
        {
            await copy.StartRowAsync();
            await copy.WriteAsync(_next++, NpgsqlDbType.Bigint);
            await copy.WriteAsync(payload, NpgsqlDbType.Bytea);
        }

        await copy.CompleteAsync();
    }
}
