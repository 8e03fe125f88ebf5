using Spectre.Console;
using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks;

/// <summary>Ten connections of one host: what the tenth delivers alone, and while the receivers of the other nine are dead,
/// each in a way of its own and with a backlog: while they are tried, and when they are not any more. Ends with 1 if that is less than
/// nine tenths.</summary>
internal sealed class IsolationRun(int events)
{
    private const double AtLeast = 0.9;
    private const int PerRequest = 100;
    private const int WarmUp = 20_000;
    private const int BacklogPerConnection = 5_000;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var bench = await Bench.StartAsync();
        await using var broken = await BrokenReceiver.StartAsync();
        var dead = broken.Urls;
        var blocks = string.Concat(dead
            .Select(one => BenchmarkHost.Connection(one.Key, TokenOf(one.Key), one.Value, "contacts"))
            .Append(BenchmarkHost.Connection("bench", BenchmarkHost.Token, bench.Receiver, "contacts")));
        await using var contestant = await Contestant.HostAsync(new HostSettings(blocks), "sqlite", cancellationToken);
        var host = contestant.Host!;
        await bench.MeasureAsync(contestant, LoadOf(bench, contestant, WarmUp), null, cancellationToken);
        var alone = await MeasureAsync(bench, contestant, cancellationToken);
        foreach (var id in dead.Keys)
        {
            await bench.SendAsync(bench.Load(contestant, BacklogPerConnection, PerRequest) with { Token = TokenOf(id) });
        }

        var among = await MeasureAsync(bench, contestant, cancellationToken);
        foreach (var id in dead.Keys)
        {
            await BenchmarkHost.UntilAsync(
                async () => (await host.LedgerAsync(id))["pending"] == 0, cancellationToken); // all of it waits, its breaker is open
        }

        var parked = await MeasureAsync(bench, contestant, cancellationToken);
        var table = new Table()
            .Title($"the tenth of ten connections, {events} events, SQLite")
            .AddColumns("the other nine", "accepted and delivered")
            .AddRow("quiet", $"{alone:N0} events/s")
            .AddRow("dead, and tried", $"{among:N0} events/s ({100 * among / alone:N0} %)")
            .AddRow("dead, their breakers open", $"{parked:N0} events/s ({100 * parked / alone:N0} %)");
        foreach (var id in dead.Keys)
        {
            var ledger = await host.LedgerAsync(id);
            table.AddRow($"waiting at the one that {id}", $"{ledger["pending"] + ledger["parked"]:N0} of {ledger["accepted"]:N0}");
        }

        AnsiConsole.Write(table);
        return Math.Min(among, parked) >= AtLeast * alone ? 0 : 1;
    }

    private static string TokenOf(string id) => $"phc_{id}";

    private async Task<double> MeasureAsync(Bench bench, Contestant contestant, CancellationToken cancellationToken) =>
        (await bench.MeasureAsync(contestant, LoadOf(bench, contestant, events), null, cancellationToken))
            .Verified().DeliveredPerSecond;

    private static Load LoadOf(Bench bench, Contestant contestant, int count) =>
        bench.Load(contestant, count, PerRequest) with { EachHasMessage = false };
}
