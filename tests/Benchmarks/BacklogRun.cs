using System.Globalization;
using Spectre.Console;
using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;
using VarianceActors.Benchmarks.Rows;

namespace VarianceActors.Benchmarks;

/// <summary>Many messages wait on SQLite for a receiver that is away; then it is back, and the host is killed and started anew.
/// What that costs in memory, how soon the first message leaves, and whether a message leaves as fast as from a backlog of a tenth,
/// also at the end. Ends with 1 if that is more than it may be.</summary>
internal sealed class BacklogRun(int events)
{
    private const double MegabytesAboveIdleMax = 64;
    private const double SecondsToFirstMax = 15;
    private const double CostMax = 1.2;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var small = await DrainAsync(events / 10, cancellationToken);
        var large = await DrainAsync(events, cancellationToken);
        var tenth = large.Arrived.Count / 10;
        var (alone, first, last) = (Rate(small.Arrived), Rate(large.Arrived[..tenth]), Rate(large.Arrived[^tenth..]));
        var above = (Math.Max(large.Waiting, large.Draining) - large.Idle) / 1048576.0;
        var seconds = Roles.Seconds(large.Arrived[0] - large.Started);
        AnsiConsole.Write(new Table()
            .Title(string.Create(CultureInfo.InvariantCulture, $"{large.Arrived.Count:N0} messages of backlog, SQLite"))
            .AddColumns("measure", "figure")
            .AddRow("resident, idle", Megabytes(large.Idle))
            .AddRow("resident after a start, all of it waiting", Megabytes(large.Waiting))
            .AddRow("resident while it drains, at most", Megabytes(large.Draining))
            .AddRow($"above idle, at most (may be {MegabytesAboveIdleMax})", Shown(above, "MB"))
            .AddRow($"from the start of the process to the first message (may be {SecondsToFirstMax})", Shown(seconds, "s"))
            .AddRow(
                "longest time without a message",
                Shown(large.Arrived.Zip(large.Arrived.Skip(1), (one, next) => Roles.Seconds(next - one)).Max(), "s"))
            .AddRow("a backlog of a tenth", Shown(alone, "messages/s"))
            .AddRow("first tenth", Shown(first, "messages/s"))
            .AddRow("last tenth", Shown(last, "messages/s"))
            .AddRow($"time of the first tenth's messages, to those of the small backlog (may be {CostMax})", Shown(alone / first, "x"))
            .AddRow($"time of the last tenth's messages, to those of the small backlog (may be {CostMax})", Shown(alone / last, "x")));
        return above <= MegabytesAboveIdleMax && seconds <= SecondsToFirstMax && alone / Math.Min(first, last) <= CostMax ? 0 : 1;
    }

    private static async Task<Drained> DrainAsync(int events, CancellationToken cancellationToken)
    {
        await using var bench = await Bench.StartAsync(withReceiver: false);
        await using var contestant = await Contestant.HostAsync(
            HostSettings.For(bench.Receiver, "plugin") with { Coalesces = false }, "sqlite", cancellationToken);
        var host = contestant.Host!;
        var idle = await host.CalmAsync(cancellationToken);
        var load = bench.Load(contestant, events, 100);
        await bench.SendAsync(load);
        await BacklogStore.WaitingAsync(host, load.Count, cancellationToken);
        await host.RestartAsync(cancellationToken);
        var waiting = await host.CalmAsync(cancellationToken);

        var started = await bench.ReceiveAsync(host, load, cancellationToken);
        var most = 0L;
        var arrived = await bench.ArrivedAsync(
            load, _ => most = Math.Max(most, ProcessUsage.Of(host.Process.Id).ResidentBytes), cancellationToken);
        return new Drained(idle, waiting, most, started, arrived);
    }

    private static double Rate(List<long> arrived) => arrived.Count / Roles.Seconds(arrived[^1] - arrived[0]);

    private static string Megabytes(long bytes) => Shown(bytes / 1048576.0, "MB");

    private static string Shown(double figure, string unit) =>
        string.Create(CultureInfo.InvariantCulture, $"{figure:N2} {unit}");

    /// <summary>A backlog that has left: resident bytes idle, after a start with all of it waiting, and at most while it left; when the
    /// host was started, and when each message arrived.</summary>
    private sealed record Drained(long Idle, long Waiting, long Draining, long Started, List<long> Arrived);
}
