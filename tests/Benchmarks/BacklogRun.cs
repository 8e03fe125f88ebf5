using System.Diagnostics;
using Spectre.Console;

namespace VarianceActors.Benchmarks;

/// <summary>
/// The receiver is away while events come in: how much memory the backlog costs, how soon the first message leaves after a
/// kill and a restart, and whether the last tenth of the backlog costs more than the first.
/// </summary>
internal sealed class BacklogRun(int events)
{
    private const int PerRequest = 500;
    private const int Clients = 4;
    private const int WarmUp = 100_000;
    private long _peak;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var port = BenchmarkHost.FreePort();
        var url = new Uri($"http://127.0.0.1:{port}/hook");
        await using var host = await BenchmarkHost.StartAsync(url, "plugin", cancellationToken);
        var started = await CalmAsync(host, cancellationToken);
        await using (await CountingReceiver.StartAsync(port))
        {
            await SendAsync(host, 0, WarmUp, cancellationToken);
            await host.DrainedAsync(cancellationToken);
        }

        var idle = await CalmAsync(host, cancellationToken);
        await SendAsync(host, WarmUp, events, cancellationToken);
        var waiting = await CalmAsync(host, cancellationToken);
        var books = await host.LedgerAsync("bench");
        var pending = books["pending"] + books["parked"];
        await host.RestartAsync();
        await host.ReadyAsync(cancellationToken);
        var startedWaiting = await CalmAsync(host, cancellationToken);

        await using var back = await CountingReceiver.StartAsync(port);
        await host.RestartAsync();
        var watch = Stopwatch.StartNew();
        await BenchmarkHost.UntilAsync(() => Task.FromResult(back.Count > 0), cancellationToken);
        var first = watch.Elapsed;
        await host.ReadyAsync(cancellationToken);
        var (cost, costLast) = await DrainAsync(host, back, cancellationToken);
        var ledger = await host.LedgerAsync("bench");
        AnsiConsole.Write(new Table()
            .Title($"a backlog of {pending:N0} messages on SQLite, mapping plugin")
            .AddColumns("measure", "value")
            .AddRow("resident after the start: nothing waiting", $"{started >> 20} MB")
            .AddRow("resident after a start: all of them waiting", $"{startedWaiting >> 20} MB")
            .AddRow("resident after traffic: nothing waiting", $"{idle >> 20} MB")
            .AddRow("resident after traffic: all of them waiting", $"{waiting >> 20} MB")
            .AddRow("resident while they leave, after a kill, at most", $"{_peak >> 20} MB")
            .AddRow("from the restart to the first message", $"{first.TotalSeconds:N1} s")
            .AddRow("first tenth", cost.ToString())
            .AddRow("last tenth", costLast.ToString())
            .AddRow("accepted, delivered, pending", $"{ledger["accepted"]:N0}, {ledger["delivered"]:N0}, {ledger["pending"]:N0}")
            .AddRow("messages received for the backlog", $"{back.Count:N0}"));
        return 0;
    }

    private async Task<(Cost First, Cost Last)> DrainAsync(
        BenchmarkHost host, CountingReceiver receiver, CancellationToken cancellationToken)
    {
        var tenth = events / 10;
        var marks = new List<(TimeSpan At, TimeSpan Processor)>();
        var watch = Stopwatch.StartNew();
        foreach (var count in (int[])[tenth / 10, tenth, events - tenth, events])
        {
            await BenchmarkHost.UntilAsync(
                () =>
                {
                    _peak = Math.Max(_peak, host.ResidentBytes);
                    return Task.FromResult(receiver.Count >= count);
                },
                cancellationToken);
            marks.Add((watch.Elapsed, host.ProcessorTime));
        }

        await host.DrainedAsync(cancellationToken);
        return (Cost.Of(marks[0], marks[1], tenth - (tenth / 10)), Cost.Of(marks[2], marks[3], tenth));
    }

    private static async Task<long> CalmAsync(BenchmarkHost host, CancellationToken cancellationToken)
    {
        var (last, calm) = (0L, 0);
        await BenchmarkHost.UntilAsync(
            () =>
            {
                var now = host.ResidentBytes;
                calm = Math.Abs(now - last) < 1 << 20 ? calm + 1 : 0;
                last = now;
                return Task.FromResult(calm > 100);
            },
            cancellationToken);
        return last;
    }

    private static Task SendAsync(BenchmarkHost host, int first, int count, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, count / PerRequest).Select(request => first + (request * PerRequest)),
            new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancellationToken },
            async (start, stop) => await host.SendAsync(Traffic.Batch(BenchmarkHost.Token, start, PerRequest), stop));

    private readonly record struct Cost(double Microseconds, double PerSecond)
    {
        public static Cost Of((TimeSpan At, TimeSpan Processor) from, (TimeSpan At, TimeSpan Processor) to, int messages) => new(
            (to.Processor - from.Processor).TotalMicroseconds / messages, messages / (to.At - from.At).TotalSeconds);

        public override string ToString() => $"{Microseconds:N0} µs of processor a message, {PerSecond:N0} messages/s";
    }
}
