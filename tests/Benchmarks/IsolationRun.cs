using System.Diagnostics;
using Spectre.Console;

namespace VarianceActors.Benchmarks;

/// <summary>Ten connections of one host: what the tenth delivers alone, and while the receivers of the other nine are dead,
/// each in a way of its own and with a backlog.</summary>
internal sealed class IsolationRun(int events)
{
    private const int PerRequest = 100;
    private const int Clients = 8;
    private const int WarmUp = 20_000;
    private const int BacklogPerConnection = 5_000;
    private int _sent;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var receiver = await CountingReceiver.StartAsync();
        await using var broken = await BrokenReceiver.StartAsync();
        var dead = broken.Urls;
        var blocks = string.Concat(dead
            .Select(one => BenchmarkHost.Connection(one.Key, TokenOf(one.Key), one.Value, "contacts"))
            .Append(BenchmarkHost.Connection("bench", BenchmarkHost.Token, receiver.Url, "contacts")));
        await using var host = await BenchmarkHost.StartAsync(blocks, cancellationToken);
        await SendAsync(host, BenchmarkHost.Token, WarmUp, cancellationToken);
        await host.DrainedAsync(cancellationToken);
        var alone = await MeasureAsync(host, cancellationToken);
        foreach (var id in dead.Keys)
        {
            await SendAsync(host, TokenOf(id), BacklogPerConnection, cancellationToken);
        }

        await Task.Delay(TimeSpan.FromSeconds(20), TimeProvider.System, cancellationToken); // the persons have answered
        var among = await MeasureAsync(host, cancellationToken);
        var again = await MeasureAsync(host, cancellationToken);
        var table = new Table()
            .Title($"the tenth of ten connections, {events} events, SQLite")
            .AddColumns("the other nine", "accepted and delivered")
            .AddRow("quiet", $"{alone:N0} events/s")
            .AddRow("dead, with a backlog", $"{among:N0} events/s ({100 * among / alone:N0} %)")
            .AddRow("the same once more", $"{again:N0} events/s ({100 * again / alone:N0} %)");
        foreach (var id in dead.Keys)
        {
            var ledger = await host.LedgerAsync(id);
            table.AddRow($"waiting at the one that {id}", $"{ledger["pending"] + ledger["parked"]:N0} of {ledger["accepted"]:N0}");
        }

        AnsiConsole.Write(table);
        return 0;
    }

    private static string TokenOf(string id) => $"phc_{id}";

    private async Task<double> MeasureAsync(BenchmarkHost host, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        await SendAsync(host, BenchmarkHost.Token, events, cancellationToken);
        await host.DrainedAsync(cancellationToken);
        return events / watch.Elapsed.TotalSeconds;
    }

    private Task SendAsync(BenchmarkHost host, string token, int count, CancellationToken cancellationToken)
    {
        var first = _sent;
        _sent += count;
        return Parallel.ForEachAsync(
            Enumerable.Range(0, count / PerRequest).Select(request => first + (request * PerRequest)),
            new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancellationToken },
            async (start, stop) => await host.SendAsync(Traffic.Batch(token, start, PerRequest), stop));
    }
}
