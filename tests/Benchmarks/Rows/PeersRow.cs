using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>Row 4: accepted and delivered at once, one POST for each event, by what the peers deliver of the same requests.</summary>
internal sealed class PeersRow(RowOptions options)
{
    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken) =>
    [
        await RunAsync("sqlite", 100, 3, (receiver, _) => Contestant.PluginPeerAsync(receiver), cancellationToken),
        await RunAsync("sqlite", 1, 3, (receiver, _) => Contestant.PluginPeerAsync(receiver), cancellationToken),
        await RunAsync("postgres", 100, 2, Contestant.WolverinePeerAsync, cancellationToken),
        await RunAsync("postgres", 1, 2, Contestant.WolverinePeerAsync, cancellationToken),
    ];

    private async Task<Finding> RunAsync(
        string store,
        int perRequest,
        double floor,
        Func<Uri, CancellationToken, Task<Contestant>> startPeer,
        CancellationToken cancellationToken)
    {
        var (events, clients) = perRequest == 1
            ? (options.Size(30_000, 1_000), 64)
            : (options.Size(60_000, 2_000), 8);
        await using var bench = await Bench.StartAsync();
        await using var host = await Contestant.HostAsync(
            HostSettings.For(bench.Receiver, "plugin"), store, cancellationToken);
        await using var peer = await startPeer(bench.Receiver, cancellationToken);
        await DeliveredAsync(host, events / 4);
        await DeliveredAsync(peer, events / 4);
        var pairs = new List<(double, double)>();
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            pairs.Add((await DeliveredAsync(host, events), await DeliveredAsync(peer, events)));
        }

        return Finding.Ratio(4, $"delivered on {store}, {perRequest} a request, by the {peer.Name}'s", "events/s", floor, pairs);

        async Task<double> DeliveredAsync(Contestant contestant, int count) => (await bench.MeasureAsync(
            contestant, bench.Load(contestant, count, perRequest, clients), null, cancellationToken))
            .Verified().DeliveredPerSecond;
    }
}
