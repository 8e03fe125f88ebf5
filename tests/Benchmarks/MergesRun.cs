using System.Diagnostics;
using System.Text.Json;
using Spectre.Console;

namespace VarianceActors.Benchmarks;

/// <summary>
/// Sends <c>$identify</c> events that each merge two ids to a host process, as fast as it accepts them, and waits until
/// everything is delivered: once where nobody has seen either id, once where both ids are persons of their own.
/// </summary>
internal sealed class MergesRun(int merges)
{
    private const int PerRequest = 100;
    private const int Clients = 8;
    private const int WarmUp = 2_000;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var receiver = await CountingReceiver.StartAsync();
        await using var host = await BenchmarkHost.StartAsync(receiver.Url, "contacts", cancellationToken);
        await SendAsync(host, WarmUp, number => Identify("warm", number), cancellationToken);
        await host.DrainedAsync(cancellationToken);
        var table = new Table()
            .Title($"{merges} merges, {PerRequest} a request, mapping contacts, SQLite")
            .AddColumns("merges of", "merged and delivered", "processor time of the host", "messages received");
        await MeasureAsync("two new ids", "new", host, receiver, table, cancellationToken);
        await SendAsync(host, merges, number => Viewed(Device("born", number)), cancellationToken);
        await SendAsync(host, merges, number => Viewed(User("born", number)), cancellationToken);
        await host.DrainedAsync(cancellationToken);
        await MeasureAsync("two persons", "born", host, receiver, table, cancellationToken);
        AnsiConsole.Write(table);
        return 0;
    }

    private async Task MeasureAsync(
        string what,
        string group,
        BenchmarkHost host,
        CountingReceiver receiver,
        Table table,
        CancellationToken cancellationToken)
    {
        var (receivedBefore, processorBefore) = (receiver.Count, host.ProcessorTime);
        var watch = Stopwatch.StartNew();
        await SendAsync(host, merges, number => Identify(group, number), cancellationToken);
        await host.DrainedAsync(cancellationToken);
        var elapsed = watch.Elapsed;
        var processor = host.ProcessorTime - processorBefore;
        table.AddRow(
            what,
            $"{merges / elapsed.TotalSeconds:N0} merges/s",
            $"{processor.TotalMicroseconds / merges:N0} µs a merge",
            $"{receiver.Count - receivedBefore:N0}");
    }

    private static Task SendAsync(
        BenchmarkHost host, int count, Func<int, object> captured, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, count).Chunk(PerRequest),
            new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancellationToken },
            async (numbers, stop) => await host.SendAsync(
                JsonSerializer.SerializeToUtf8Bytes(
                    new { api_key = BenchmarkHost.Token, batch = numbers.Select(captured) }),
                stop));

    private static object Viewed(string distinctId) =>
        new { @event = "$pageview", distinct_id = distinctId, properties = new { } };

    private static object Identify(string group, int number) => new
    {
        @event = "$identify",
        distinct_id = User(group, number),
        properties = new Dictionary<string, object>
        {
            ["$anon_distinct_id"] = Device(group, number),
            ["$set"] = new { email = $"{number}@example.com", plan = "pro" },
        },
    };

    private static string User(string group, int number) => $"{group}-user-{number}";

    private static string Device(string group, int number) => $"{group}-device-{number}";
}
