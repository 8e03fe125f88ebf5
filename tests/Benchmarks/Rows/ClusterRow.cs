using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>Row 10: processor time of an event, all nodes and PostgreSQL, on three nodes and on one.</summary>
internal sealed class ClusterRow(RowOptions options)
{
    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken)
    {
        var costs = new List<Observation>();
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            var one = await CostAsync(nodes: 1, cancellationToken);
            var three = await CostAsync(nodes: 3, cancellationToken);
            costs.Add(new Observation(three / one, three, one));
        }

        return [new Finding(10, "an event on three nodes, to one node", "µs", 1.35, IsFloor: false, costs)];
    }

    private async Task<double> CostAsync(int nodes, CancellationToken cancellationToken)
    {
        await using var bench = await Bench.StartAsync();
        await using var cluster = await Contestant.ClusterAsync(
            HostSettings.For(bench.Receiver, "contacts"), nodes, cancellationToken);
        var (warmUp, measured) = (options.Size(30_000, 2_000) * nodes, options.Size(40_000, 3_000));
        await bench.MeasureAsync(cluster, bench.Load(cluster, warmUp, 100) with { EachHasMessage = false }, null, cancellationToken);
        var result = await bench.MeasureAsync(
            cluster, bench.Load(cluster, measured, 100) with { EachHasMessage = false }, null, cancellationToken);
        return result.Verified().Processes
            .Where(process => cluster.Processes.ContainsKey(process.Key))
            .Sum(process => process.Value.ProcessorMicroseconds);
    }
}
