using Spectre.Console;
using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks;

/// <summary>Ten connections of one host, and nine of them with receivers that are dead, each in a way of its own: what the tenth
/// delivers while the others' events are taken in and tried, and once their breakers are open, against what it delivers alone. Nine
/// that are well and as busy tell what of it is the work of taking their events in. Three rounds, each with a host of its own; ends
/// with 1 if at the median the dead cost more than a tenth.</summary>
internal sealed class IsolationRun(int events)
{
    private const double AtLeast = 0.9;
    private const int Rounds = 3;
    private const int PerRequest = 100;
    private const int WarmUp = 20_000;
    private const int BacklogPerConnection = 5_000;
    private const int PersonsPerConnection = 500; // few, so that those of nine connections do not slow the tenth by the memory they take

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var rounds = new List<Round>();
        var table = new Table()
            .Title($"the tenth of ten connections, {events} events, SQLite")
            .AddColumns("the other nine", "alone", "well, and busy", "dead, and tried", "dead, breakers open");
        for (var number = 1; number <= Rounds; number++)
        {
            var round = await MeasureAsync(table, cancellationToken);
            rounds.Add(round);
            table.AddRow(
                $"round {number}, events/s", $"{round.Alone:N0}", $"{round.Well:N0}", $"{round.Tried:N0}", $"{round.Parked:N0}");
        }

        var (well, tried, parked) = (
            Median(rounds, round => round.Well), Median(rounds, round => round.Tried), Median(rounds, round => round.Parked));
        table.AddRow("of alone, at the median", "", $"{100 * well:N0} %", $"{100 * tried:N0} %", $"{100 * parked:N0} %");
        AnsiConsole.Write(table);
        return Math.Min(tried, parked) >= AtLeast ? 0 : 1;
    }

    private async Task<Round> MeasureAsync(Table table, CancellationToken cancellationToken)
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
        var amongWell = await RateAsync(bench, contestant, cancellationToken);
        await NothingPendingAsync(host, well.Keys, cancellationToken);
        var alone = await RateAsync(bench, contestant, cancellationToken); // with as many persons in memory as there will be
        await SendToAsync(bench, contestant, dead.Keys);
        var amongDead = await RateAsync(bench, contestant, cancellationToken);
        await NothingPendingAsync(host, dead.Keys.Except([BrokenReceiver.Slow]), cancellationToken); // all of it waits
        var parked = await RateAsync(bench, contestant, cancellationToken);
        foreach (var id in table.Rows.Count == 0 ? dead.Keys : [])
        {
            var states = (await host.LedgerAsync(id)).Where(state => state.Value != 0).Select(state => $"{state.Value:N0} {state.Key}");
            AnsiConsole.WriteLine($"{id}: {string.Join(", ", states)}");
        }

        return new Round(alone, amongWell, amongDead, parked);
    }

    private static double Median(IEnumerable<Round> rounds, Func<Round, double> figure) =>
        rounds.Select(round => figure(round) / round.Alone).Order().ElementAt(Rounds / 2);

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

    private async Task<double> RateAsync(Bench bench, Contestant contestant, CancellationToken cancellationToken) =>
        (await bench.MeasureAsync(contestant, LoadOf(bench, contestant, events), null, cancellationToken))
            .Verified().DeliveredPerSecond;

    private static Load LoadOf(Bench bench, Contestant contestant, int count) =>
        bench.Load(contestant, count, PerRequest) with { EachHasMessage = false };

    /// <summary>Events a second of the tenth.</summary>
    private sealed record Round(double Alone, double Well, double Tried, double Parked);
}
