using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>Row 5: from accepted to delivered, at half of the rate that was delivered just before at most.</summary>
internal sealed class LatencyRow(RowOptions options)
{
    private const int PerRequest = 10;

    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken)
    {
        var latencies = new List<Latency>();
        await using var bench = await Bench.StartAsync();
        await using var host = await Contestant.HostAsync(
            HostSettings.For(bench.Receiver, "plugin"), "sqlite", cancellationToken);
        await MeasureAsync(options.Size(20_000, 1_000), 0);
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            var most = await MeasureAsync(options.Size(40_000, 2_000), 0);
            var half = await MeasureAsync(
                (int)(most.DeliveredPerSecond / 2 * options.Size(30, 4)), most.DeliveredPerSecond / 2);
            latencies.Add(half.Latency!);
        }

        return
        [
            Finding.Absolute(5, "accepted to delivered at half the maximum rate, p50", "ms", 15, latencies.Select(one => one.P50)),
            Finding.Absolute(5, "the same, p99", "ms", 75, latencies.Select(one => one.P99)),
        ];

        async Task<LoadResult> MeasureAsync(int events, double perSecond) => (await bench.MeasureAsync(
            host, bench.Load(host, events, PerRequest, clients: 16, perSecond), null, cancellationToken)).Verified();
    }
}
