using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Measures;

/// <summary>The processes that drive a benchmark, load generator and receiver, and what can be measured with them.</summary>
internal sealed class Bench : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
    private readonly ChildProcess _sender;
    private readonly DirectoryInfo _files = Directory.CreateTempSubdirectory("variance-bench-");
    private ChildProcess? _receiver;
    private long _next;

    private Bench(ChildProcess sender, int port) => (_sender, Port) = (sender, port);

    /// <summary>Where the receiver listens, or will when it is back.</summary>
    public Uri Receiver => new($"http://127.0.0.1:{Port}/hook");

    private int Port { get; }

    /// <summary>Starts both, or the load generator alone.</summary>
    public static async Task<Bench> StartAsync(bool withReceiver = true)
    {
        var bench = new Bench(await ChildProcess.StartRoleAsync(Roles.Command, "sender"), BenchmarkHost.FreePort());
        if (withReceiver)
        {
            await bench.ReceiveAsync();
        }

        return bench;
    }

    /// <summary>The receiver comes back.</summary>
    public async Task ReceiveAsync() =>
        _receiver = await ChildProcess.StartRoleAsync(Roles.Command, "receiver", $"{Port}");

    /// <summary>The receiver comes back while a host is down, so that nothing arrives before it is expected, and the host starts
    /// again.</summary>
    /// <returns>When the host was started.</returns>
    public async Task<long> ReceiveAsync(BenchmarkHost host, Load load, CancellationToken cancellationToken)
    {
        var started = 0L;
        await host.RestartAsync(cancellationToken, async () =>
        {
            await ReceiveAsync();
            await ExpectAsync(load);
            started = Stopwatch.GetTimestamp();
        });
        return started;
    }

    /// <summary>The receiver goes away.</summary>
    public async Task DepartAsync()
    {
        await _receiver!.DisposeAsync();
        _receiver = null;
    }

    /// <summary>A load with numbers that no other one of this run has.</summary>
    public Load Load(Contestant contestant, int count, int perRequest, int clients = 8, double perSecond = 0, int persons = 20_000)
    {
        var whole = Math.Max(1, count / perRequest) * perRequest;
        var first = _next;
        _next += (whole + 999) / 1000 * 1000;
        return new Load(contestant.Urls, "mixed", first, whole, perRequest, clients, perSecond, persons);
    }

    /// <summary>Sends a load and returns when it is accepted.</summary>
    /// <returns>Seconds that it took, and the bytes of its bodies.</returns>
    public async Task<(double Seconds, long Bytes)> SendAsync(Load load)
    {
        var sent = Longs(await _sender.AskAsync(load.ToLine(AcceptedFile), "sent"));
        return (Roles.Seconds(sent[1] - sent[0]), sent[2]);
    }

    /// <summary>Sends a load, waits until it has arrived and has no consequences any more, and measures that.</summary>
    public async Task<LoadResult> MeasureAsync(
        Contestant contestant, Load load, Action<long>? arrived, CancellationToken cancellationToken)
    {
        var processes = contestant.Processes
            .Append(KeyValuePair.Create("load generator", _sender.Id))
            .Append(KeyValuePair.Create("receiver", _receiver!.Id))
            .ToDictionary(pair => pair.Key, pair => pair.Value);
        await ExpectAsync(load);
        var before = processes.ToDictionary(pair => pair.Key, pair => ProcessUsage.Of(pair.Value));
        var memory = new List<(long At, Dictionary<string, long> Resident)>();
        var sending = _sender.AskAsync(load.ToLine(AcceptedFile), "sent");
        await UntilArrivedAsync(
            Enumerable.Range(0, load.Count).Count(load.MustArrive),
            count =>
            {
                arrived?.Invoke(count);
                memory.Add((Stopwatch.GetTimestamp(), contestant.Processes.ToDictionary(
                    pair => pair.Key, pair => ProcessUsage.Of(pair.Value).ResidentBytes)));
            },
            sending,
            cancellationToken);
        var sent = Longs(await sending);
        await contestant.SettleAsync(cancellationToken);
        var counted = await CountAsync();
        var costs = processes.ToDictionary(
            pair => pair.Key, pair => Cost(before[pair.Key], ProcessUsage.Of(pair.Value), load.Count));
        var times = await TimesAsync(load);
        return new LoadResult(
            contestant.Name,
            load.Count,
            sent[2],
            sent[3],
            load.Count / Roles.Seconds(sent[1] - sent[0]),
            load.Count / Roles.Seconds(times.Arrived.Max() - sent[0]),
            times.Arrived.Where((at, place) => at == 0 && load.MustArrive(place)).LongCount(),
            counted[2],
            costs)
        {
            Latency = Latency.Of(times.Milliseconds().ToArray()),
            Moments = [.. memory.Select(one => new Moment(
                Roles.Seconds(one.At - sent[0]),
                times.Accepted.LongCount(at => at <= one.At) * load.PerRequest,
                times.Arrived.LongCount(at => at > 0 && at <= one.At),
                one.Resident))],
            LatencyOverTime = times.OverTime(sent[0]),
        };
    }

    /// <summary>Tells the receiver which events come next.</summary>
    public Task ExpectAsync(Load load) => _receiver!.AskAsync(
        string.Create(CultureInfo.InvariantCulture, $"expect {load.First} {load.Count}"), "ok");

    /// <summary>Returns the rate between the first and the last arrival of what was expected, when all of it is there.</summary>
    public async Task<double> DrainedAsync(Load load, CancellationToken cancellationToken)
    {
        var arrived = await ArrivedAsync(load, _ => { }, cancellationToken);
        return load.Count / Roles.Seconds(arrived[^1] - arrived[0]);
    }

    /// <summary>When each event of a load arrived, in ticks, sorted; once all of it is there, and nothing twice.</summary>
    public async Task<List<long>> ArrivedAsync(Load load, Action<long> seen, CancellationToken cancellationToken)
    {
        await UntilArrivedAsync(load.Count, seen, Task.CompletedTask, cancellationToken);
        var counted = await CountAsync();
        return counted[1] == load.Count && counted[2] == 0
            ? [.. (await ArrivedAsync()).Where(at => at > 0).Order()]
            : throw new InvalidOperationException($"{load.Count - counted[1]} events are missing, {counted[2]} came again.");
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _sender.DisposeAsync();
        if (_receiver is not null)
        {
            await _receiver.DisposeAsync();
        }

        _files.Delete(recursive: true);
    }

    private string AcceptedFile => Path.Combine(_files.FullName, "accepted");

    private static ProcessCost Cost(ProcessUsage before, ProcessUsage after, int events) => new(
        (after.Processor - before.Processor).TotalMicroseconds / events,
        after.ResidentBytes,
        (double)(after.WrittenBytes - before.WrittenBytes) / events);

    private static long[] Longs(string text) =>
        [.. text.Split(' ').Select(word => long.Parse(word, CultureInfo.InvariantCulture))];

    private async Task<long[]> CountAsync() => Longs(await _receiver!.AskAsync("count", "counted"));

    /// <summary>Returns when so many have arrived, or none has for long: what is missing then shows in the result.</summary>
    private async Task UntilArrivedAsync(int count, Action<long> seen, Task sending, CancellationToken cancellationToken)
    {
        var (last, since) = (-1L, Stopwatch.GetTimestamp());
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(250));
        while (last < count && (Stopwatch.GetElapsedTime(since) < Patience || !sending.IsCompleted))
        {
            await ticks.WaitForNextTickAsync(cancellationToken);
            var arrived = (await CountAsync())[1];
            since = arrived == last ? since : Stopwatch.GetTimestamp();
            last = arrived;
            seen(arrived);
        }
    }

    private async Task<long[]> ArrivedAsync()
    {
        var file = Path.Combine(_files.FullName, "arrived");
        await _receiver!.AskAsync($"write {file}", "ok");
        return MemoryMarshal.Cast<byte, long>(await File.ReadAllBytesAsync(file)).ToArray();
    }

    private async Task<EventTimes> TimesAsync(Load load) => new(
        MemoryMarshal.Cast<byte, long>(await File.ReadAllBytesAsync(AcceptedFile)).ToArray(),
        await ArrivedAsync(),
        load.PerRequest);

    /// <summary>When each request was accepted, and when each event arrived.</summary>
    private sealed record EventTimes(long[] Accepted, long[] Arrived, int PerRequest)
    {
        private const int SampleMax = 4_000;

        public IEnumerable<double> Milliseconds() => Enumerable.Range(0, Arrived.Length)
            .Where(place => Arrived[place] > 0)
            .Select(MillisecondsOf);

        public IReadOnlyList<double[]> OverTime(long began)
        {
            var step = Math.Max(1, Arrived.Length / SampleMax);
            return [.. Enumerable.Range(0, Arrived.Length / step)
                .Select(place => place * step)
                .Where(place => Arrived[place] > 0)
                .Select(place => (double[])[Roles.Seconds(Arrived[place] - began), MillisecondsOf(place)])];
        }

        private double MillisecondsOf(int place) =>
            Math.Max(0, Roles.Seconds(Arrived[place] - Accepted[place / PerRequest]) * 1000);
    }
}
