using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>Row 2: events accepted durably, a hundred a request, while they are delivered as well; by what a bare endpoint
/// takes, and by what a bare bulk insert of the same bytes keeps.</summary>
internal sealed class AcceptRow(RowOptions options)
{
    private const int PerRequest = 100;
    private const int Clients = 8;

    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken) =>
        [.. await RunAsync("sqlite", cancellationToken), .. await RunAsync("postgres", cancellationToken)];

    private async Task<IReadOnlyList<Finding>> RunAsync(string store, CancellationToken cancellationToken)
    {
        var (events, pairs, bytes, fsyncs) = (
            options.Size(100_000, 4_000), new List<(double, double)>(), new List<(double, double)>(), new List<double>());
        await using var bench = await Bench.StartAsync();
        await using var endpoint = await Contestant.EndpointAsync();
        await using var bulk = await BulkInsert.OpenAsync(store);
        await using var host = await Contestant.HostAsync(
            HostSettings.For(bench.Receiver, "plugin"), store, cancellationToken);
        await bench.MeasureAsync(host, bench.Load(host, events / 4, PerRequest), null, cancellationToken);
        await bench.SendAsync(bench.Load(endpoint, events / 4, PerRequest));
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            var result = (await bench.MeasureAsync(host, bench.Load(host, events, PerRequest, Clients), null, cancellationToken))
                .Verified();
            var bare = bench.Load(endpoint, events, PerRequest, Clients);
            pairs.Add((result.AcceptedPerSecond, bare.Count / (await bench.SendAsync(bare)).Seconds));
            var eventBytes = (double)result.Bytes / result.Events;
            bytes.Add((
                result.AcceptedPerSecond * eventBytes,
                await bulk.RunAsync(result.Bytes, (long)(eventBytes * PerRequest * Clients))));
            fsyncs.Add(bulk.FsyncMilliseconds(options.Size(500, 50)));
        }

        return
        [
            Finding.Ratio(2, $"accepted on {store} by a bare endpoint's", "events/s", 0.5, pairs),
            Finding.Ratio(2, $"kept on {store} by a bare bulk insert's", "bytes/s", 0.5, bytes),
            Finding.Absolute(2, "an fsync alone", "ms", null, fsyncs),
        ];
    }
}
