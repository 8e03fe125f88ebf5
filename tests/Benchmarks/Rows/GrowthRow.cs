using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>Row 6, and row 7 as to persons: the same traffic of known persons at a store that has seen little and at one that has
/// seen much.</summary>
internal sealed class GrowthRow(RowOptions options)
{
    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken)
    {
        await using var bench = await Bench.StartAsync();
        await using var large = await GrownStore.MakeAsync(
            bench, options.Size(1_000_000, 4_000), options.Size(10_000_000, 40_000), cancellationToken);
        await using var small = await GrownStore.MakeAsync(
            bench, options.Size(10_000, 800), options.Size(100_000, 8_000), cancellationToken);
        var (processor, memory) = (new List<Observation>(), new List<Observation>());
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            var (ours, resident) = await MeasureAsync(bench, large, cancellationToken);
            var (theirs, residentSmall) = await MeasureAsync(bench, small, cancellationToken);
            processor.Add(new Observation(ours / theirs, ours, theirs));
            memory.Add(new Observation(resident - residentSmall, resident, residentSmall));
        }

        return
        [
            new Finding(6, "processor time with a large store by that with a small one", "µs/event", 1.25, IsFloor: false, processor),
            new Finding(7, "resident after traffic with a large store, above a small one", "MB", null, IsFloor: false, memory),
        ];
    }

    /// <summary>The same persons in both stores: as many as the small one knows.</summary>
    private async Task<(double Microseconds, double Megabytes)> MeasureAsync(
        Bench bench, GrownStore store, CancellationToken cancellationToken)
    {
        await using var host = await Contestant.HostAsync(
            HostSettings.For(bench.Receiver, "contacts") with { Data = store.Data }, "sqlite", cancellationToken);
        var events = options.Size(40_000, 1_000);
        await MeasureAsync(events / 4);
        var cost = (await MeasureAsync(events)).Processes["host"];
        return (cost.ProcessorMicroseconds, await host.Host!.CalmAsync(cancellationToken) / 1048576.0);

        async Task<LoadResult> MeasureAsync(int count) => (await bench.MeasureAsync(
            host,
            bench.Load(host, count, 100, persons: store.Persons) with { EachHasMessage = false },
            null,
            cancellationToken)).Verified();
    }
}
