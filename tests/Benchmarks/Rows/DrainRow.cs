using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>Row 3: a backlog leaves for a receiver that is back, by a bare loop over an <see cref="HttpClient"/>; both from the
/// first arrival to the last.</summary>
internal sealed class DrainRow(RowOptions options)
{
    private const int InFlight = 64;

    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken)
    {
        var pairs = new List<(double, double)>();
        await using var poster = await ChildProcess.StartRoleAsync(Roles.Command, "poster");
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            await using var bench = await Bench.StartAsync(withReceiver: false);
            await using var host = await Contestant.HostAsync(
                HostSettings.For(bench.Receiver, "plugin") with { Coalesces = false }, "sqlite", cancellationToken);
            var load = bench.Load(host, options.Size(100_000, 3_000), 100);
            await bench.SendAsync(load);
            await BacklogStore.WaitingAsync(host.Host!, load.Count, cancellationToken);
            await bench.ReceiveAsync(host.Host!, load, cancellationToken);
            var ours = await bench.DrainedAsync(load, cancellationToken);
            var bare = bench.Load(host, load.Count, 100);
            await bench.ExpectAsync(bare);
            await poster.AskAsync($"post {bench.Receiver} {bare.First} {bare.Count} {InFlight}", "posted");
            pairs.Add((ours, await bench.DrainedAsync(bare, cancellationToken)));
        }

        return [Finding.Ratio(3, "a backlog leaves by a bare HttpClient loop's", "messages/s", 0.7, pairs)];
    }
}
