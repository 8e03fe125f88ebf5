using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using VarianceActors.Host;

namespace VarianceActors.Benchmarks.Processes;

/// <summary>What a host is started with.</summary>
/// <param name="Connections">The blocks of its connections.</param>
internal sealed record HostSettings(string Connections)
{
    /// <summary>The database; null for SQLite in the data directory.</summary>
    public string? Postgres { get; init; }

    /// <summary>Whether the tables of the lists are kept.</summary>
    public bool WithViews { get; init; } = true;

    /// <summary>Whether it is a node of the cluster that meets in the database.</summary>
    public bool IsNode { get; init; }

    /// <summary>Whether waiting states that later ones supersede are left out, as the default is.</summary>
    public bool Coalesces { get; init; } = true;

    /// <summary>A directory that is there before and stays; null for one that goes with the host.</summary>
    public string? Data { get; init; }

    /// <summary>One connection, <c>bench</c>, with a mapping; a null receiver is a dry run.</summary>
    public static HostSettings For(Uri? receiver, string mapping) =>
        new(BenchmarkHost.Connection("bench", BenchmarkHost.Token, receiver, mapping));
}

/// <summary>A host process.</summary>
internal sealed class BenchmarkHost : IAsyncDisposable
{
    /// <summary>The project token of the connection.</summary>
    public const string Token = "phc_bench";

    private const string AdminKey = "admin-key-for-benchmarks";
    private readonly DirectoryInfo _directory;
    private readonly HostSettings _settings;
    private readonly HttpClient _http;

    private BenchmarkHost(DirectoryInfo directory, HostSettings settings, Uri url)
    {
        (_directory, _settings, Url) = (directory, settings, url);
        _http = new HttpClient { BaseAddress = url };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        Process = StartProcess();
    }

    /// <summary>The process.</summary>
    public Process Process { get; private set; }

    /// <summary>Where it listens.</summary>
    public Uri Url { get; }

    /// <summary>How long the last start took until it was ready.</summary>
    public TimeSpan StartTook { get; private set; }

    /// <summary>Starts it and returns when it is ready.</summary>
    public static async Task<BenchmarkHost> StartAsync(HostSettings settings, CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("variance-load-");
        await File.WriteAllTextAsync(
            Path.Combine(directory.FullName, "load.conf"),
            $$"""
            variance {
              admin-key = "{{AdminKey}}"
              store = {{(settings.Postgres is null ? "sqlite" : "postgres")}}
              postgres.connection-string = "{{settings.Postgres}}"
              views.enabled = {{(settings.WithViews ? "on" : "off")}}
              {{(settings.Coalesces ? "" : "delivery.coalesce-after = \"1.00:00:00\"")}}
              {{(settings.IsNode ? $"cluster {{ hostname = \"127.0.0.1\", port = {FreePort()} }}" : "")}}
              connections { {{settings.Connections}} }
            }
            """,
            cancellationToken);
        var host = new BenchmarkHost(directory, settings, new Uri($"http://127.0.0.1:{FreePort()}/"));
        await host.ReadyAsync(cancellationToken);
        return host;
    }

    /// <summary>The block of a connection without a limit.</summary>
    public static string Connection(string id, string token, Uri? receiver, string mapping) => $$"""
        {{id}} {
          tokens = ["{{token}}"]
          url = "{{receiver}}"
          mapping = {{mapping}}
          allow-private-network = on
          rate.per-second = 0
        }

        """;

    /// <summary>A free port of loopback.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Ends the process as SIGKILL does and starts it again on the same data, until it is ready.</summary>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <param name="meanwhile">What happens while it is down.</param>
    public async Task RestartAsync(CancellationToken cancellationToken, Func<Task>? meanwhile = null)
    {
        Process.Kill();
        await Process.WaitForExitAsync(cancellationToken);
        Process.Dispose();
        await (meanwhile?.Invoke() ?? Task.CompletedTask);
        Process = StartProcess();
        await ReadyAsync(cancellationToken);
    }

    /// <summary>The books of a connection.</summary>
    public async Task<Dictionary<string, long>> LedgerAsync(string connectionId = "bench") =>
        (await _http.GetFromJsonAsync<Dictionary<string, long>>(
            new Uri($"api/v1/connections/{connectionId}/ledger", UriKind.Relative)))!;

    /// <summary>What the API of the connection answers.</summary>
    /// <param name="path">What follows <c>/api/v1/connections/bench/</c>.</param>
    public Task<string> ReadAsync(string path) =>
        _http.GetStringAsync(new Uri($"api/v1/connections/bench/{path}", UriKind.Relative));

    /// <summary>Returns when a condition holds.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, CancellationToken cancellationToken)
    {
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            await ticks.WaitForNextTickAsync(cancellationToken);
        }
    }

    /// <summary>Returns when nothing is pending, and everything is in the views.</summary>
    public async Task SettledAsync(CancellationToken cancellationToken)
    {
        await UntilAsync(
            async () => await LedgerAsync() is var ledger && ledger["pending"] + ledger["parked"] == 0, cancellationToken);
        if (_settings.WithViews)
        {
            var views = new Uri("api/v1/connections/bench/views", UriKind.Relative);
            await UntilAsync(
                async () => (await _http.GetFromJsonAsync<Dictionary<string, long>>(views, cancellationToken))!["waiting"] == 0,
                cancellationToken);
        }
    }

    /// <summary>Returns its resident memory when that has stood still for some seconds.</summary>
    public async Task<long> CalmAsync(CancellationToken cancellationToken)
    {
        const int ticks = 60;
        var (last, calm) = (0L, 0);
        await UntilAsync(
            () =>
            {
                var now = ProcessUsage.Of(Process.Id).ResidentBytes;
                calm = Math.Abs(now - last) < 2 << 20 ? calm + 1 : 0;
                last = now;
                return Task.FromResult(calm > ticks);
            },
            cancellationToken);
        return last;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Process.Kill();
        await Process.WaitForExitAsync();
        Process.Dispose();
        _http.Dispose();
        _directory.Delete(recursive: true);
    }

    private Process StartProcess() => Process.Start(new ProcessStartInfo("dotnet")
    {
        ArgumentList =
        {
            typeof(VarianceHost).Assembly.Location,
            "serve", "--config", Path.Combine(_directory.FullName, "load.conf"), "--urls", Url.ToString(),
            "--data-dir", _settings.Data ?? Path.Combine(_directory.FullName, "data"),
        },
    })!;

    private async Task ReadyAsync(CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        await UntilAsync(IsReadyAsync, cancellationToken);
        StartTook = watch.Elapsed;
    }

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            using var answer = await _http.GetAsync(new Uri("health/ready", UriKind.Relative));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
