using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>A SQLite store with many messages that wait for a receiver which is away. The host has made it from events.</summary>
internal sealed class BacklogStore : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("variance-backlog-");

    /// <summary>Hosts on it.</summary>
    public HostSettings Settings { get; } = HostSettings.For(new Uri($"http://127.0.0.1:{BenchmarkHost.FreePort()}/hook"), "plugin");

    /// <summary>Makes it.</summary>
    public static async Task<BacklogStore> MakeAsync(int messages, CancellationToken cancellationToken)
    {
        var store = new BacklogStore();
        await using var bench = await Bench.StartAsync(withReceiver: false);
        await using var host = await Contestant.HostAsync(store.OnIt, "sqlite", cancellationToken);
        var load = bench.Load(host, messages, 100);
        await bench.SendAsync(load);
        await WaitingAsync(host.Host!, load.Count, cancellationToken);
        return store;
    }

    /// <summary>The settings with its data.</summary>
    public HostSettings OnIt => Settings with { Data = _directory.FullName };

    /// <summary>Returns when so many events wait for the receiver and nothing else is to be done.</summary>
    public static async Task WaitingAsync(BenchmarkHost host, int count, CancellationToken cancellationToken)
    {
        await BenchmarkHost.UntilAsync(
            async () => await host.LedgerAsync() is var ledger && ledger["parked"] == count && ledger["pending"] == 0,
            cancellationToken);
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync()
    {
        _directory.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }
}
