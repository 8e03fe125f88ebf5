using Spectre.Console;
using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks;

/// <summary>Ten connections of one host, and nine of them with receivers that are dead, each in a way of its own: what the tenth
/// delivers while the others' events are taken in and tried, and once their breakers are open, against what it delivers alone. Taking
/// in the others' events is work whether they are dead or well, so nine that are well tell how much of it that is. Ends with 1 if the
/// dead cost more than a tenth.</summary>
internal sealed class IsolationRun(int events)
{
    private const double AtLeast = 0.9;
    private const int PerRequest = 100;
    private const int WarmUp = 20_000;
    private const int BacklogPerConnection = 5_000;
    private const int PersonsPerConnection = 500; // few, so that those of nine connections do not slow the tenth by the memory they take

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var bench = await Bench.StartAsync();
        await using var broken = await BrokenReceiver.StartAsync();
        var (dead, well) = (broken.Urls, broken.WellUrls);
        var blocks = string.Concat(dead.Concat(well)
            .Select(one => BenchmarkHost.Connection(one.Key, TokenOf(one.Key), one.Value, "contacts"))
            .Append(BenchmarkHost.Connection("bench", BenchmarkHost.Token, bench.Receiver, "contacts")));
        await using var contestant = await Contestant.HostAsync(new HostSettings(blocks) { Coalesces = false }, "sqlite", cancellationToken);
        var host = contestant.Host!;
        await bench.MeasureAsync(contestant, LoadOf(bench, contestant, WarmUp), null, cancellationToken);
        await SendToAsync(bench, contestant, well.Keys);
        var amongWell = await MeasureAsync(bench, contestant, cancellationToken);
        await NothingPendingAsync(host, well.Keys, cancellationToken);
        var alone = await MeasureAsync(bench, contestant, cancellationToken); // with as many persons in memory as there will be
        await SendToAsync(bench, contestant, dead.Keys);
        var amongDead = await MeasureAsync(bench, contestant, cancellationToken);
        await NothingPendingAsync(host, dead.Keys, cancellationToken); // all of it waits, its breaker is open
        var parked = await MeasureAsync(bench, contestant, cancellationToken);
        var table = new Table()
            .Title($"the tenth of ten connections, {events} events, SQLite")
            .AddColumns("the other nine", "accepted and delivered", "of alone");
        foreach (var (others, rate) in new[]
        {
            ("quiet", alone), ("well, and busy", amongWell), ("dead, and tried", amongDead), ("dead, their breakers open", parked),
        })
        {
            table.AddRow(others, $"{rate:N0} events/s", $"{100 * rate / alone:N0} %");
        }

        foreach (var id in dead.Keys)
        {
            var states = (await host.LedgerAsync(id)).Where(state => state.Value != 0).Select(state => $"{state.Value:N0} {state.Key}");
            table.AddRow($"the one that {id}", string.Join(", ", states), "");
        }

        AnsiConsole.Write(table);
        return amongDead >= AtLeast * Math.Min(amongWell, alone) && parked >= AtLeast * alone ? 0 : 1;
    }

    private static async Task SendToAsync(Bench bench, Contestant contestant, IEnumerable<string> ids)
    {
        foreach (var id in ids)
        {
            await bench.SendAsync(bench.Load(contestant, BacklogPerConnection, PerRequest, persons: PersonsPerConnection) with { Token = TokenOf(id) });
        }
    }

    private static async Task NothingPendingAsync(BenchmarkHost host, IEnumerable<string> ids, CancellationToken cancellationToken)
    {
        foreach (var id in ids)
        {
            await BenchmarkHost.UntilAsync(async () => (await host.LedgerAsync(id))["pending"] == 0, cancellationToken);
        }
    }

    private static string TokenOf(string id) => $"phc_{id}";

    private async Task<double> MeasureAsync(Bench bench, Contestant contestant, CancellationToken cancellationToken) =>
        (await bench.MeasureAsync(contestant, LoadOf(bench, contestant, events), null, cancellationToken))
            .Verified().DeliveredPerSecond;

    private static Load LoadOf(Bench bench, Contestant contestant, int count) =>
        bench.Load(contestant, count, PerRequest) with { EachHasMessage = false };
}
