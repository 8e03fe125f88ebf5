using System.Data.Common;
using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace VarianceActors.Pipeline.Stores;

/// <summary>
/// The database of inbox, outbox, ledger and dead letters. Everything that is written waits in one queue. On SQLite one writer
/// commits what waits in one transaction; on PostgreSQL some writers commit a unit each, beside those of other nodes. Reads run
/// beside them on connections of their own, each on a consistent snapshot.
/// </summary>
public sealed class PipelineDatabase : IAsyncDisposable
{
    private const int UnitsWaitingMax = 1_024;
    private const int AttemptsMax = 5;
    private const long Never = long.MinValue / 2;
    private static readonly Statement Touch = new("UPDATE setting SET value = value WHERE name = 'partitions'");
    private readonly Engine _engine;
    private readonly Action<Exception> _broken;
    private readonly Channel<WriteUnit> _units;
    private readonly SemaphoreSlim _readerSlots;
    private readonly Stack<Session> _readers = [];
    private readonly ReaderWriterLockSlim _rewriting = new(); // writers share it
    private readonly Task _writing;
    private long _committedAt = Never;

    private PipelineDatabase(Engine engine, Action<Exception> broken)
    {
        _engine = engine;
        _broken = broken;
        _units = Channel.CreateBounded<WriteUnit>(
            new BoundedChannelOptions(UnitsWaitingMax) { SingleReader = engine.WritersMax == 1 });
        _readerSlots = new SemaphoreSlim(engine.ReadersMax);
        _writing = Task.WhenAll(Enumerable.Range(0, engine.WritersMax).Select(_ => Task.Factory.StartNew(
            WriteAll, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
    }

    /// <summary>Opens the database that the configuration names, makes what is not there, and brings its schema up to date.</summary>
    /// <param name="options">The configuration.</param>
    /// <param name="broken">Called when the disk fails under a database file (I/O error, corruption): what is on disk is then
    /// unknown, and the process must stop.</param>
    /// <exception cref="IOException">The directory cannot be made or written.</exception>
    /// <exception cref="DbException">The database cannot be reached, or the file is no database of ours.</exception>
    public static PipelineDatabase Open(PipelineOptions options, Action<Exception> broken) =>
        options.Store == StoreKind.Postgres
            ? Open(options.Postgres)
            : Open(options.DataDir, options.Inbox.CommitTimeout, broken);

    /// <summary>Opens the SQLite database in <paramref name="dataDirectory"/>.</summary>
    /// <param name="dataDirectory">Where <c>pipeline.db</c> lies; made if missing.</param>
    /// <param name="busyTimeout">How long a statement waits for another process's lock before it fails.</param>
    /// <param name="broken">As above.</param>
    /// <exception cref="IOException">The directory cannot be made or written.</exception>
    /// <exception cref="SqliteException">The file is no database of ours.</exception>
    public static PipelineDatabase Open(string dataDirectory, TimeSpan busyTimeout, Action<Exception> broken)
    {
        Directory.CreateDirectory(dataDirectory);
        var connectionString = SqliteFile.ConnectionString(Path.Combine(dataDirectory, "pipeline.db"), busyTimeout);
        SqliteFile.Prepare(connectionString);
        Migrations.RunOnSqlite(connectionString);
        return new PipelineDatabase(new SqliteEngine(connectionString), broken);
    }

    /// <summary>Opens the PostgreSQL database.</summary>
    /// <exception cref="DbException">The database cannot be reached, or answers commits before they are on disk.</exception>
    public static PipelineDatabase Open(PostgresOptions options)
    {
        PostgresAddress.ExpectDurable(options);
        Migrations.RunOnPostgres(PostgresAddress.ForMigrations(options));
        return new PipelineDatabase(new PostgresEngine(options), _ => { });
    }

    /// <summary>Runs <paramref name="unit"/> in a transaction and returns its result once the transaction is on disk (fsync).
    /// The unit may run twice, if another unit of the same transaction failed or it was the victim of a deadlock: it must have
    /// no effect outside the session.</summary>
    /// <exception cref="DbException">The transaction did not happen: the database is locked, full, broken or away. If it went
    /// away during the commit, the transaction may have happened all the same: whoever tries again must find out.</exception>
    public async Task<T> WriteAsync<T>(Func<Session, T> unit, CancellationToken cancellationToken = default)
    {
        var waiting = new WriteUnit<T>(unit);
        await _units.Writer.WriteAsync(waiting, cancellationToken).ConfigureAwait(false);
        return await waiting.Done.ConfigureAwait(false);
    }

    /// <summary>Runs <paramref name="query"/> on one consistent snapshot.</summary>
    /// <exception cref="DbException">The database cannot be read.</exception>
    /// <exception cref="TimeoutException">All connections for reading were taken for too long.</exception>
    public async Task<T> ReadAsync<T>(Func<Session, T> query, CancellationToken cancellationToken = default)
    {
        if (!await _readerSlots.WaitAsync(_engine.ReaderPatience, cancellationToken).ConfigureAwait(false))
        {
            throw new TimeoutException("All connections for reading were taken for too long.");
        }

        try
        {
            return await Task.Run(() => Read(query), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _readerSlots.Release();
        }
    }

    /// <summary>Whether a write has reached the disk within <paramref name="patience"/>, or does so now.</summary>
    public async Task<bool> CanWriteAsync(TimeSpan patience)
    {
        // What waits in the queue under load is no sign that the database is away.
        if (Stopwatch.GetElapsedTime(Volatile.Read(ref _committedAt)) < patience)
        {
            return true;
        }

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

    /// <summary>Writes a SQLite file anew, without the remains of what was deleted. Whoever writes waits meanwhile.</summary>
    /// <exception cref="DbException">It did not happen: another process writes, or the disk is full.</exception>
    public Task RewriteAsync() => Task.Run(() =>
    {
        _rewriting.EnterWriteLock();
        try
        {
            _engine.Rewrite();
        }
        finally
        {
            _rewriting.ExitWriteLock();
        }
    });

    /// <summary>Empties the write-ahead log of a SQLite file, where what was deleted may still be read.</summary>
    /// <returns>False if somebody reads what is in the log: try again.</returns>
    public Task<bool> TruncateLogAsync() => Task.Run(_engine.TruncateLog);

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
        _rewriting.EnterWriteLock(); // a file that is being written anew is finished
        _rewriting.ExitWriteLock();
        _rewriting.Dispose();
        await _engine.DisposeAsync().ConfigureAwait(false);
    }

    private T Read<T>(Func<Session, T> query)
    {
        for (var attempt = 1; ; attempt++)
        {
            Session? session = null;
            try
            {
                session = TakeReader();
                var result = session.InTransaction(write: false, query);
                Return(session);
                return result;
            }
            catch (Exception failure) when (attempt < AttemptsMax && MayRunAgain(failure, session, commitSent: false))
            {
                Discard(session);
            }
            catch
            {
                Discard(session);
                throw;
            }
        }
    }

    private Session TakeReader()
    {
        lock (_readers)
        {
            if (_readers.TryPop(out var session))
            {
                return session;
            }
        }

        return new Session(_engine);
    }

    private void Return(Session session)
    {
        lock (_readers)
        {
            _readers.Push(session);
        }
    }

    /// <summary>When one connection is dead, those that lay idle most likely are, too.</summary>
    private void Discard(Session? session)
    {
        if (session is { IsOpen: false })
        {
            lock (_readers)
            {
                while (_readers.TryPop(out var idle))
                {
                    idle.Dispose();
                }
            }
        }

        session?.Dispose();
    }

    private bool MayRunAgain(Exception failure, Session? session, bool commitSent) =>
        _engine.MayRunAgain(failure, session is { IsReused: true }, commitSent);

    private void WriteAll()
    {
        Session? session = null;
        var group = new List<WriteUnit>(_engine.UnitsPerCommitMax);
        while (_units.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (group.Count < _engine.UnitsPerCommitMax && _units.Reader.TryRead(out var unit))
            {
                group.Add(unit);
            }

            _rewriting.EnterReadLock();
            try
            {
                Commit(ref session, group);
            }
            finally
            {
                _rewriting.ExitReadLock();
            }

            group.Clear();
        }

        session?.Dispose();
    }

    /// <summary>One transaction for all; if it fails, one for each, so that a unit's failure is its own.</summary>
    private void Commit(ref Session? session, List<WriteUnit> group)
    {
        if (group.Count > 1 && TryCommit(ref session, group) is null)
        {
            return;
        }

        foreach (var unit in group)
        {
            if (TryCommit(ref session, [unit]) is { } failure)
            {
                unit.Fail(failure);
                if (_engine.IsBroken(failure))
                {
                    _broken(failure);
                }
            }
        }
    }

    private Exception? TryCommit(ref Session? session, List<WriteUnit> group)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                session ??= new Session(_engine);
                session.InTransaction(write: true, running =>
                {
                    group.ForEach(unit => unit.Run(running));
                    return true;
                });
                Volatile.Write(ref _committedAt, Stopwatch.GetTimestamp());
                group.ForEach(unit => unit.Succeed());
                return null;
            }
            catch (Exception failure)
            {
                var again = attempt < AttemptsMax && MayRunAgain(failure, session, session is { CommitSent: true });
                if (session is { IsOpen: false })
                {
                    session.Dispose();
                    session = null;
                }

                if (!again)
                {
                    if (failure is DbException)
                    {
                        Volatile.Write(ref _committedAt, Never);
                    }

                    return failure;
                }
            }
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
