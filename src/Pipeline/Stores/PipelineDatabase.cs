using System.Data.Common;
using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace VarianceActors.Pipeline.Stores;

/// <summary>
/// The database of inbox, outbox, ledger and dead letters. Everything that is written waits in one queue, and what waits is
/// committed in one transaction: SQLite has one writer at a time, and one fsync then serves many. Reads run beside it on
/// connections of their own, each on a consistent snapshot.
/// </summary>
public sealed class PipelineDatabase : IAsyncDisposable
{
    private const int UnitsPerCommitMax = 256;
    private const int ReadersMax = 4;
    private static readonly Statement Touch = new("UPDATE setting SET value = value WHERE name = 'partitions'");
    private readonly string _connectionString;
    private readonly Action<Exception> _broken;
    private readonly Channel<WriteUnit> _units = Channel.CreateBounded<WriteUnit>(
        new BoundedChannelOptions(4 * UnitsPerCommitMax) { SingleReader = true });
    private readonly SemaphoreSlim _readerSlots = new(ReadersMax);
    private readonly Stack<Session> _readers = [];
    private readonly Task _writing;

    private PipelineDatabase(string connectionString, Action<Exception> broken)
    {
        _connectionString = connectionString;
        _broken = broken;
        _writing = Task.Factory.StartNew(
            WriteAll, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Opens the database in <paramref name="dataDirectory"/>, makes it if it is not there, and brings its schema up to date.</summary>
    /// <param name="dataDirectory">Where <c>pipeline.db</c> lies; made if missing.</param>
    /// <param name="busyTimeout">How long a statement waits for another process's lock before it fails.</param>
    /// <param name="broken">Called when the disk fails under the database (I/O error, corruption): what is on disk is then
    /// unknown, and the process must stop.</param>
    /// <exception cref="IOException">The directory cannot be made or written.</exception>
    /// <exception cref="SqliteException">The file is no database of ours.</exception>
    public static PipelineDatabase Open(string dataDirectory, TimeSpan busyTimeout, Action<Exception> broken)
    {
        Directory.CreateDirectory(dataDirectory);
        var connectionString = SqliteFile.ConnectionString(Path.Combine(dataDirectory, "pipeline.db"), busyTimeout);
        SqliteFile.Prepare(connectionString);
        Migrations.Run(connectionString);
        return new PipelineDatabase(connectionString, broken);
    }

    /// <summary>Runs <paramref name="unit"/> in a transaction and returns its result once the transaction is on disk (fsync).
    /// The unit may run twice, if another unit of the same transaction failed: it must have no effect outside the session.</summary>
    /// <exception cref="SqliteException">The transaction did not happen: the database is locked, full or broken.</exception>
    public async Task<T> WriteAsync<T>(Func<Session, T> unit, CancellationToken cancellationToken = default)
    {
        var waiting = new WriteUnit<T>(unit);
        await _units.Writer.WriteAsync(waiting, cancellationToken).ConfigureAwait(false);
        return await waiting.Done.ConfigureAwait(false);
    }

    /// <summary>Runs <paramref name="query"/> on one consistent snapshot.</summary>
    public async Task<T> ReadAsync<T>(Func<Session, T> query, CancellationToken cancellationToken = default)
    {
        await _readerSlots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => Read(query), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _readerSlots.Release();
        }
    }

    /// <summary>Whether a write reaches the disk within <paramref name="patience"/>.</summary>
    public async Task<bool> CanWriteAsync(TimeSpan patience)
    {
        try
        {
            await WriteAsync(session => session.Execute(Touch)).WaitAsync(patience).ConfigureAwait(false);
            return true;
        }
        catch (Exception failure) when (failure is DbException or TimeoutException or ChannelClosedException)
        {
            return false;
        }
    }

    /// <summary>Commits what waits and closes the files.</summary>
    public async ValueTask DisposeAsync()
    {
        _units.Writer.TryComplete();
        await _writing.ConfigureAwait(false);
        foreach (var reader in _readers)
        {
            reader.Dispose();
        }

        _readerSlots.Dispose();
    }

    private T Read<T>(Func<Session, T> query)
    {
        Session? session;
        lock (_readers)
        {
            _readers.TryPop(out session);
        }

        session ??= new Session(SqliteFile.OpenConnection(_connectionString));
        var healthy = false;
        try
        {
            var result = session.InTransaction(write: false, query);
            healthy = true;
            return result;
        }
        finally
        {
            Return(session, healthy);
        }
    }

    private void Return(Session session, bool healthy)
    {
        if (!healthy)
        {
            session.Dispose();
            return;
        }

        lock (_readers)
        {
            _readers.Push(session);
        }
    }

    private void WriteAll()
    {
        using var session = new Session(SqliteFile.OpenConnection(_connectionString));
        var group = new List<WriteUnit>(UnitsPerCommitMax);
        while (_units.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (group.Count < UnitsPerCommitMax && _units.Reader.TryRead(out var unit))
            {
                group.Add(unit);
            }

            Commit(session, group);
            group.Clear();
        }
    }

    /// <summary>One transaction for all; if it fails, one for each, so that a unit's failure is its own.</summary>
    private void Commit(Session session, List<WriteUnit> group)
    {
        if (group.Count > 1 && TryCommit(session, group) is null)
        {
            return;
        }

        foreach (var unit in group)
        {
            if (TryCommit(session, [unit]) is { } failure)
            {
                unit.Fail(failure);
                ReportIfBroken(failure);
            }
        }
    }

    private static Exception? TryCommit(Session session, List<WriteUnit> group)
    {
        try
        {
            session.InTransaction(write: true, running =>
            {
                group.ForEach(unit => unit.Run(running));
                return true;
            });
        }
        catch (Exception failure)
        {
            return failure;
        }

        group.ForEach(unit => unit.Succeed());
        return null;
    }

    private void ReportIfBroken(Exception failure)
    {
        const int inputOutputError = 10;
        const int corrupt = 11;
        const int notADatabase = 26;
        if (failure is SqliteException { SqliteErrorCode: inputOutputError or corrupt or notADatabase })
        {
            _broken(failure);
        }
    }

    private abstract class WriteUnit
    {
        public abstract void Run(Session session);

        public abstract void Succeed();

        public abstract void Fail(Exception failure);
    }

    private sealed class WriteUnit<T>(Func<Session, T> unit) : WriteUnit
    {
        private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T? _result;

        public Task<T> Done => _done.Task;

        public override void Run(Session session) => _result = unit(session);

        public override void Succeed() => _done.TrySetResult(_result!);

        public override void Fail(Exception failure) => _done.TrySetException(failure);
    }
}
