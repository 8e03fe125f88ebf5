using System.Buffers;
using System.Data.Common;
using System.Threading.Channels;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Inbox;

/// <summary>
/// The one writer of a node's inbox. While one commit is on its way to the disk, requests gather; the next commit takes
/// all of them. So one fsync serves many requests under load, and a lone request waits for nobody.
/// </summary>
public sealed class InboxWriter : IAsyncDisposable
{
    private readonly PipelineDatabase _database;
    private readonly PipelineLayout _layout;
    private readonly InboxOptions _options;
    private readonly Action<int> _committed;
    private readonly Action<Exception> _broken;
    private readonly Channel<Request> _requests = Channel.CreateUnbounded<Request>(
        new UnboundedChannelOptions { SingleReader = true });
    private readonly Task _writing;
    private long _queuedEvents;
    private long _queuedBytes;
    private long _commitBegan;

    /// <summary>Starts the writer.</summary>
    /// <param name="database">Where to write.</param>
    /// <param name="layout">How the events are cut into partitions.</param>
    /// <param name="options">How much may wait, and how long.</param>
    /// <param name="committed">Told each partition that got events; must return at once.</param>
    /// <param name="broken">Told a failure that no retry can mend; the writer then takes nothing more.</param>
    public InboxWriter(
        PipelineDatabase database,
        PipelineLayout layout,
        InboxOptions options,
        Action<int> committed,
        Action<Exception> broken)
    {
        _database = database;
        _layout = layout;
        _options = options;
        _committed = committed;
        _broken = broken;
        _writing = Task.Run(WriteAllAsync);
    }

    /// <inheritdoc cref="AppendEvents" />
    public async ValueTask<AppendOutcome> AppendAsync(
        string connectionId, IReadOnlyList<CaptureEvent> events, CancellationToken cancellationToken)
    {
        if (IsStuck())
        {
            return AppendOutcome.Unavailable;
        }

        var request = new Request(connectionId, events);
        if (!TryReserve(request))
        {
            return AppendOutcome.Full;
        }

        if (!_requests.Writer.TryWrite(request))
        {
            Release(request);
            return AppendOutcome.Unavailable;
        }

        try
        {
            return await request.Done.Task.WaitAsync(_options.CommitTimeout, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return AppendOutcome.Unavailable;
        }
    }

    /// <summary>Takes no more requests, and commits those that wait.</summary>
    public async ValueTask DisposeAsync()
    {
        _requests.Writer.TryComplete();
        await _writing.ConfigureAwait(false);
    }

    /// <summary>A commit that takes too long for those who wait for it: whoever comes now need not wait to be told.</summary>
    private bool IsStuck() => Volatile.Read(ref _commitBegan) is > 0 and var began
        && Environment.TickCount64 - began > _options.CommitTimeout.TotalMilliseconds;

    /// <summary>A request that is larger than the whole queue is taken when nothing else waits.</summary>
    private bool TryReserve(Request request)
    {
        var events = Interlocked.Add(ref _queuedEvents, request.Events.Count);
        var bytes = Interlocked.Add(ref _queuedBytes, request.Bytes);
        var fits = events <= _options.QueueEventsMax && bytes <= _options.QueueBytesMax;
        if (fits || events == request.Events.Count)
        {
            return true;
        }

        Release(request);
        return false;
    }

    private void Release(Request request)
    {
        Interlocked.Add(ref _queuedEvents, -request.Events.Count);
        Interlocked.Add(ref _queuedBytes, -request.Bytes);
    }

    private async Task WriteAllAsync()
    {
        while (await _requests.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            await WriteWaitingAsync().ConfigureAwait(false);
        }
    }

    private async Task WriteWaitingAsync()
    {
        var batch = new List<Request>();
        var events = 0;
        while (events < _options.CommitEventsMax && _requests.Reader.TryRead(out var request))
        {
            batch.Add(request);
            events += request.Events.Count;
        }

        var outcome = AppendOutcome.Unavailable;
        Volatile.Write(ref _commitBegan, Environment.TickCount64);
        try
        {
            outcome = await CommitAsync(batch).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            _requests.Writer.TryComplete();
            _broken(failure);
        }

        Volatile.Write(ref _commitBegan, 0);
        foreach (var request in batch)
        {
            Release(request);
            request.Done.TrySetResult(outcome);
        }
    }

    private async Task<AppendOutcome> CommitAsync(List<Request> batch)
    {
        var rows = Encode(batch);
        try
        {
            await _database.WriteAsync(session =>
            {
                foreach (var ((partition, connection), full) in rows)
                {
                    foreach (var row in full)
                    {
                        InboxStatements.Append(
                            session, partition, connection, row.Events, row.Buffer.WrittenSpan.ToArray());
                    }
                }

                return true;
            }).ConfigureAwait(false);
        }
        catch (DbException)
        {
            return AppendOutcome.Unavailable;
        }
        catch (ChannelClosedException)
        {
            return AppendOutcome.Unavailable;
        }

        foreach (var partition in rows.Keys.Select(key => key.Partition).Distinct())
        {
            _committed(partition);
        }

        return AppendOutcome.Committed;
    }

    /// <summary>Rows by partition and connection, in a fixed order, so that two nodes never wait for each other.</summary>
    private SortedDictionary<(int Partition, int Connection), List<Row>> Encode(List<Request> batch)
    {
        var rows = new SortedDictionary<(int, int), List<Row>>();
        foreach (var request in batch)
        {
            var connection = _layout.NumberByConnection[request.ConnectionId];
            foreach (var captured in request.Events)
            {
                var key = (_layout.Partitioning.Of(request.ConnectionId, captured), connection);
                if (!rows.TryGetValue(key, out var parts))
                {
                    rows[key] = parts = [new Row()];
                }

                if (parts[^1].IsFull)
                {
                    parts.Add(new Row());
                }

                parts[^1].Append(captured);
            }
        }

        return rows;
    }

    private sealed class Request(string connectionId, IReadOnlyList<CaptureEvent> events)
    {
        public string ConnectionId => connectionId;

        public IReadOnlyList<CaptureEvent> Events => events;

        public long Bytes { get; } = events.Sum(captured => (long)captured.Json.Length);

        public TaskCompletionSource<AppendOutcome> Done { get; } =
            new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Some events of one partition and connection; a further row takes over when one is full, so that whoever
    /// reads rows reads little at a time.</summary>
    private sealed class Row
    {
        private const int BytesMax = 1 << 20;

        public Row() => InboxRow.Begin(Buffer);

        public bool IsFull => Buffer.WrittenCount >= BytesMax;

        public ArrayBufferWriter<byte> Buffer { get; } = new(4096);

        public int Events { get; private set; }

        public void Append(CaptureEvent captured)
        {
            InboxRow.Append(Buffer, captured);
            Events++;
        }
    }
}
