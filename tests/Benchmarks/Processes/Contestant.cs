using System.Diagnostics;
using VarianceActors.Databases;

namespace VarianceActors.Benchmarks.Processes;

/// <summary>Somebody who takes events over HTTP and perhaps posts them on: this project's host, a peer, or a limit.</summary>
/// <param name="Name">Its name in tables.</param>
/// <param name="Urls">Where it takes events: its nodes, in turn.</param>
/// <param name="Processes">Its processes by name, without those that drive the benchmark.</param>
/// <param name="SettleAsync">Returns when it has nothing to do.</param>
internal sealed record Contestant(
    string Name,
    IReadOnlyList<Uri> Urls,
    IReadOnlyDictionary<string, int> Processes,
    Func<CancellationToken, Task> SettleAsync) : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _owned = new();

    /// <summary>The host process; null for the others.</summary>
    public BenchmarkHost? Host { get; private init; }

    /// <summary>This project's host on SQLite or PostgreSQL, which then is its own server.</summary>
    public static async Task<Contestant> HostAsync(HostSettings settings, string store, CancellationToken cancellationToken)
    {
        var server = store == "postgres" ? await PostgresServer.StartAsync() : null;
        var host = await BenchmarkHost.StartAsync(
            server is null ? settings : settings with { Postgres = await server.CreateDatabaseAsync() }, cancellationToken);
        var processes = new Dictionary<string, int> { ["host"] = host.Process.Id };
        if (server is not null)
        {
            processes["postgres"] = server.ProcessId;
        }

        var contestant = new Contestant($"VarianceActors on {store}", [host.Url], processes, host.SettledAsync) { Host = host };
        return contestant.Owning(server).Owning(host);
    }

    /// <summary>Some nodes on one PostgreSQL; requests go to them in turn, as behind a load balancer.</summary>
    public static async Task<Contestant> ClusterAsync(HostSettings settings, int nodes, CancellationToken cancellationToken)
    {
        var server = await PostgresServer.StartAsync();
        settings = settings with { Postgres = await server.CreateDatabaseAsync(), IsNode = true };
        var hosts = new List<BenchmarkHost>();
        for (var node = 0; node < nodes; node++)
        {
            hosts.Add(await BenchmarkHost.StartAsync(settings, cancellationToken));
        }

        var processes = hosts.Select((host, node) => KeyValuePair.Create($"node {node + 1}", host.Process.Id))
            .Append(KeyValuePair.Create("postgres", server.ProcessId))
            .ToDictionary();
        var urls = hosts.Select(host => host.Url).ToList();
        var contestant = new Contestant($"{nodes} nodes", urls, processes, hosts[0].SettledAsync) { Host = hosts[0] };
        contestant.Owning(server);
        hosts.ForEach(host => contestant.Owning(host));
        return contestant;
    }

    /// <summary>What the original plugin does, in Node.</summary>
    public static async Task<Contestant> PluginPeerAsync(Uri receiver)
    {
        var port = BenchmarkHost.FreePort();
        var program = Path.Combine(AppContext.BaseDirectory, "peers", "plugin-peer", "main.mjs");
        var peer = await ChildProcess.StartAsync("node", program, "serve", $"{port}", receiver.ToString());
        return Of("plugin peer", port, "plugin-peer", peer);
    }

    /// <summary>The same job on Wolverine with its durable inbox on PostgreSQL; built when it is first asked for.</summary>
    public static async Task<Contestant> WolverinePeerAsync(Uri receiver, CancellationToken cancellationToken)
    {
        var program = await BuildWolverinePeerAsync(cancellationToken);
        var server = await PostgresServer.StartAsync();
        var port = BenchmarkHost.FreePort();
        var peer = await ChildProcess.StartAsync(
            "dotnet", program, "serve", $"{port}", receiver.ToString(), await server.CreateDatabaseAsync());
        var processes = new Dictionary<string, int> { ["wolverine-peer"] = peer.Id, ["postgres"] = server.ProcessId };
        return new Contestant("Wolverine peer on postgres", [UrlOf(port)], processes, _ => Task.CompletedTask)
            .Owning(server).Owning(peer);
    }

    /// <summary>A web server that reads bodies and answers 200.</summary>
    public static async Task<Contestant> EndpointAsync()
    {
        var port = BenchmarkHost.FreePort();
        return Of("bare Kestrel endpoint", port, "endpoint", await ChildProcess.StartRoleAsync(Roles.Command, "endpoint", $"{port}"));
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        while (_owned.TryPop(out var owned))
        {
            await owned.DisposeAsync();
        }
    }

    private static Uri UrlOf(int port) => new($"http://127.0.0.1:{port}/");

    private static Contestant Of(string name, int port, string process, ChildProcess child) => new Contestant(
        name, [UrlOf(port)], new Dictionary<string, int> { [process] = child.Id }, _ => Task.CompletedTask).Owning(child);

    private static async Task<string> BuildWolverinePeerAsync(CancellationToken cancellationToken)
    {
        var folder = Path.Combine(SourceFolder(), "peers", "wolverine-peer");
        using var build = Process.Start(
            new ProcessStartInfo("dotnet", ["build", folder, "-c", "Release", "--nologo", "-v", "q"]))!;
        await build.WaitForExitAsync(cancellationToken);
        return build.ExitCode == 0
            ? Path.Combine(folder, "bin", "Release", "net10.0", "VarianceActors.WolverinePeer.dll")
            : throw new InvalidOperationException("The Wolverine peer does not build.");
    }

    /// <summary>The folder of this project's sources: above the output that this program runs from.</summary>
    private static string SourceFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Benchmarks.csproj")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("The Wolverine peer is built from its sources, which are not here.");
    }

    private Contestant Owning(IAsyncDisposable? owned)
    {
        if (owned is not null)
        {
            _owned.Push(owned);
        }

        return this;
    }
}
