using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>Row 7 and row 8: what a million waiting messages cost in memory and at the start.</summary>
internal sealed class BacklogRows(RowOptions options)
{
    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken)
    {
        var (memory, idleStarts, starts) = (new List<Observation>(), new List<double>(), new List<double>());
        await using var store = await BacklogStore.MakeAsync(options.Size(1_000_000, 5_000), cancellationToken);
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            var (idle, idleStart) = await StartAsync(store.Settings, cancellationToken);
            var (waiting, start) = await StartAsync(store.OnIt, cancellationToken);
            memory.Add(new Observation(waiting - idle, waiting, idle));
            idleStarts.Add(idleStart);
            starts.Add(start);
        }

        return
        [
            new Finding(7, "resident with a backlog, above idle", "MB", 64, IsFloor: false, memory),
            Finding.Absolute(8, "start to ready, nothing to recover", "s", 3, idleStarts),
            Finding.Absolute(8, "start to ready with the backlog", "s", 10, starts),
        ];
    }

    private static async Task<(double Megabytes, double Seconds)> StartAsync(
        HostSettings settings, CancellationToken cancellationToken)
    {
        await using var host = await BenchmarkHost.StartAsync(settings, cancellationToken);
        return (await host.CalmAsync(cancellationToken) / 1048576.0, host.StartTook.TotalSeconds);
    }
}
