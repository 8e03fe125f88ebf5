using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>Row 9: <c>$identify</c> events that each merge a visitor with a user who both were there before, until everything that
/// follows is delivered.</summary>
internal sealed class MergeRow(RowOptions options)
{
    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken)
    {
        var (costs, newIds) = (new List<double>(), new List<double>());
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            await using var bench = await Bench.StartAsync();
            await using var host = await Contestant.HostAsync(
                HostSettings.For(bench.Receiver, "contacts"), "sqlite", cancellationToken);
            var merges = options.Size(5_000, 300);
            newIds.Add(await CostAsync(bench, host, "new-merges", merges, merges, cancellationToken));
            await CostAsync(bench, host, "devices", merges, merges, cancellationToken);
            await CostAsync(bench, host, "users", merges, merges, cancellationToken);
            costs.Add(await CostAsync(bench, host, "merges", merges, merges, cancellationToken));
        }

        return
        [
            Finding.Absolute(9, "one merge of two persons, all told", "ms", 1.5, costs),
            Finding.Absolute(9, "one merge of two new ids, all told", "ms", null, newIds),
        ];
    }

    private static async Task<double> CostAsync(
        Bench bench, Contestant host, string traffic, int count, int persons, CancellationToken cancellationToken)
    {
        var load = bench.Load(host, count, 100, persons: persons) with { Traffic = traffic };
        var result = (await bench.MeasureAsync(host, load, null, cancellationToken)).Verified();
        return result.Processes["host"].ProcessorMicroseconds / 1000;
    }
}
