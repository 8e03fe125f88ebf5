using System.Diagnostics;
using Spectre.Console;

namespace VarianceActors.Benchmarks;

/// <summary>
/// Sends events to a host process as fast as it accepts them and counts what arrives at a receiver, both over real HTTP on
/// loopback. Everything shares this machine's cores.
/// </summary>
internal sealed class LoadRun(int events, int perRequest, string mapping, bool withViews)
{
    private const int Clients = 8;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var receiver = await CountingReceiver.StartAsync();
        var block = BenchmarkHost.Connection("bench", BenchmarkHost.Token, receiver.Url, mapping);
        await using var host = await BenchmarkHost.StartAsync(
            block, withViews ? "" : "views.enabled = off", cancellationToken);
        await MeasureAsync(host, receiver, cancellationToken);
        return 0;
    }

    private async Task MeasureAsync(BenchmarkHost host, CountingReceiver receiver, CancellationToken cancellationToken)
    {
        const int warmUp = 10_000;
        await SendAsync(host, 0, warmUp, cancellationToken);
        await SettledAsync(host, cancellationToken);
        var (receivedBefore, processorBefore) = (receiver.Count, host.ProcessorTime);
        var watch = Stopwatch.StartNew();
        await SendAsync(host, warmUp, events, cancellationToken);
        var accepted = watch.Elapsed;
        await host.DrainedAsync(cancellationToken);
        var delivered = watch.Elapsed;
        await SettledAsync(host, cancellationToken);
        var settled = watch.Elapsed;
        var processor = host.ProcessorTime - processorBefore;
        AnsiConsole.Write(new Table()
            .Title($"{events} events, {perRequest} a request, mapping {mapping}, SQLite")
            .AddColumns("measure", "value")
            .AddRow("accepted durably", $"{events / accepted.TotalSeconds:N0} events/s")
            .AddRow("accepted and delivered", $"{events / delivered.TotalSeconds:N0} events/s")
            .AddRow("and in the views", withViews ? $"{events / settled.TotalSeconds:N0} events/s" : "-")
            .AddRow("messages received", $"{receiver.Count - receivedBefore:N0}")
            .AddRow("processor time of the host", $"{processor.TotalMicroseconds / events:N1} µs an event")
            .AddRow("resident memory of the host", $"{host.Process.WorkingSet64 >> 20} MB"));
    }

    private async Task SettledAsync(BenchmarkHost host, CancellationToken cancellationToken)
    {
        await host.DrainedAsync(cancellationToken);
        if (withViews)
        {
            await host.ViewedAsync(cancellationToken);
        }
    }

    private Task SendAsync(BenchmarkHost host, int first, int count, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, count / perRequest).Select(request => first + (request * perRequest)),
            new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancellationToken },
            async (start, stop) => await host.SendAsync(Traffic.Batch(BenchmarkHost.Token, start, perRequest), stop));
}
