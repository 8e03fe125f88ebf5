using System.Globalization;
using Spectre.Console;
using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;
using VarianceActors.Benchmarks.Rows;

namespace VarianceActors.Benchmarks;

/// <summary>Many messages wait on SQLite for a receiver that is away; then it is back, and the host is killed and started anew.
/// What that costs in memory, how soon the first message leaves, and whether the last ones leave as fast as the first. Ends with 1 if
/// that is more than it may be.</summary>
internal sealed class BacklogRun(int events)
{
    private const double MegabytesAboveIdleMax = 64;
    private const double SecondsToFirstMax = 15;
    private const double CostOfLastMax = 1.2;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
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
        var tenth = arrived.Count / 10;
        var (first, last) = (Rate(arrived[..tenth]), Rate(arrived[^tenth..]));
        var (above, seconds) = ((Math.Max(waiting, most) - idle) / 1048576.0, Roles.Seconds(arrived[0] - started));
        AnsiConsole.Write(new Table()
            .Title(string.Create(CultureInfo.InvariantCulture, $"{load.Count:N0} messages of backlog, SQLite"))
            .AddColumns("measure", "figure")
            .AddRow("resident, idle", Megabytes(idle))
            .AddRow("resident after a start, all of it waiting", Megabytes(waiting))
            .AddRow("resident while it drains, at most", Megabytes(most))
            .AddRow($"above idle, at most (may be {MegabytesAboveIdleMax})", Shown(above, "MB"))
            .AddRow($"from the start of the process to the first message (may be {SecondsToFirstMax})", Shown(seconds, "s"))
            .AddRow("longest time without a message", Shown(arrived.Zip(arrived.Skip(1), (one, next) => Roles.Seconds(next - one)).Max(), "s"))
            .AddRow("first tenth", Shown(first, "messages/s"))
            .AddRow("last tenth", Shown(last, "messages/s"))
            .AddRow($"time of the last tenth's messages, to the first's (may be {CostOfLastMax})", Shown(first / last, "x")));
        return above <= MegabytesAboveIdleMax && seconds <= SecondsToFirstMax && first / last <= CostOfLastMax ? 0 : 1;
    }

    private static double Rate(List<long> arrived) => arrived.Count / Roles.Seconds(arrived[^1] - arrived[0]);

    private static string Megabytes(long bytes) => Shown(bytes / 1048576.0, "MB");

    private static string Shown(double figure, string unit) =>
        string.Create(CultureInfo.InvariantCulture, $"{figure:N2} {unit}");
}
