using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using VarianceActors.Host;

namespace VarianceActors.Benchmarks;

/// <summary>A host process with one connection, in a folder that goes with it.</summary>
internal sealed class BenchmarkHost : IAsyncDisposable
{
    /// <summary>The project token of the connection.</summary>
    public const string Token = "phc_bench";

    private const string AdminKey = "admin-key-for-benchmarks";
    private readonly DirectoryInfo _directory;
    private readonly string _url;
    private readonly HttpClient _http;

    private BenchmarkHost(DirectoryInfo directory, string url)
    {
        _directory = directory;
        _url = url;
        _http = new HttpClient { BaseAddress = new Uri(url) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        Process = StartProcess();
    }

    /// <summary>The process.</summary>
    public Process Process { get; private set; }

    /// <summary>Its resident memory in bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            Process.Refresh();
            return Process.WorkingSet64;
        }
    }

    /// <summary>The processor time that the process has used.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            Process.Refresh();
            return Process.TotalProcessorTime;
        }
    }

    /// <summary>Starts it and returns when it is ready.</summary>
    public static Task<BenchmarkHost> StartAsync(Uri receiver, string mapping, CancellationToken cancellationToken) =>
        StartAsync(Connection("bench", Token, receiver, mapping), cancellationToken);

    /// <summary>Starts it with the connections of <paramref name="blocks"/> and returns when it is ready.</summary>
    public static Task<BenchmarkHost> StartAsync(string blocks, CancellationToken cancellationToken) =>
        StartAsync(blocks, "", cancellationToken);

    /// <summary>The same with further keys.</summary>
    public static async Task<BenchmarkHost> StartAsync(string blocks, string keys, CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("variance-load-");
        await File.WriteAllTextAsync(
            Path.Combine(directory.FullName, "load.conf"),
            $$"""
            variance {
              admin-key = "{{AdminKey}}"
              connections { {{blocks}} }
              {{keys}}
            }
            """,
            cancellationToken);
        var host = new BenchmarkHost(directory, $"http://127.0.0.1:{FreePort()}");
        await UntilAsync(host.IsReadyAsync, cancellationToken);
        return host;
    }

    /// <summary>The block of a connection without a limit.</summary>
    public static string Connection(string id, string token, Uri receiver, string mapping) => $$"""
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

    /// <summary>Ends the process as SIGKILL does and starts it again on the same data.</summary>
    public async Task RestartAsync()
    {
        Process.Kill();
        await Process.WaitForExitAsync();
        Process.Dispose();
        Process = StartProcess();
    }

    /// <summary>Returns when the host answers that it is ready.</summary>
    public Task ReadyAsync(CancellationToken cancellationToken) => UntilAsync(IsReadyAsync, cancellationToken);

    /// <summary>The books of a connection.</summary>
    public async Task<Dictionary<string, long>> LedgerAsync(string connectionId) =>
        (await _http.GetFromJsonAsync<Dictionary<string, long>>(
            new Uri($"/api/v1/connections/{connectionId}/ledger", UriKind.Relative)))!;

    /// <summary>Returns when a condition holds.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, CancellationToken cancellationToken)
    {
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await condition())
        {
            await ticks.WaitForNextTickAsync(cancellationToken);
        }
    }

    /// <summary>Sends a body to <c>/batch</c>, again for as long as it is answered 503.</summary>
    public async Task SendAsync(byte[] body, CancellationToken cancellationToken)
    {
        while (!await TrySendAsync(body, cancellationToken))
        {
            await Task.Yield();
        }
    }

    /// <summary>Returns when nothing is pending.</summary>
    public Task DrainedAsync(CancellationToken cancellationToken) => UntilAsync(IsDrainedAsync, cancellationToken);

    /// <summary>Returns when everything is in the views.</summary>
    public Task ViewedAsync(CancellationToken cancellationToken) => UntilAsync(
        async () => (await _http.GetFromJsonAsync<Dictionary<string, long>>(
            new Uri("/api/v1/connections/bench/views", UriKind.Relative), cancellationToken))!["waiting"] == 0,
        cancellationToken);

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Process.Kill();
        await Process.WaitForExitAsync();
        Process.Dispose();
        _http.Dispose();
        _directory.Delete(recursive: true);
    }

    private async Task<bool> TrySendAsync(byte[] body, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(body);
        using var answer = await _http.PostAsync(new Uri("/batch/", UriKind.Relative), content, cancellationToken);
        return answer.StatusCode switch
        {
            HttpStatusCode.OK => true,
            HttpStatusCode.ServiceUnavailable => false,
            _ => throw new InvalidOperationException(await answer.Content.ReadAsStringAsync(cancellationToken)),
        };
    }

    private Process StartProcess() => Process.Start(new ProcessStartInfo("dotnet")
    {
        ArgumentList =
        {
            typeof(VarianceHost).Assembly.Location,
            "serve", "--config", Path.Combine(_directory.FullName, "load.conf"), "--urls", _url,
            "--data-dir", Path.Combine(_directory.FullName, "data"),
        },
    })!;

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            using var answer = await _http.GetAsync(new Uri("/health/ready", UriKind.Relative));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private async Task<bool> IsDrainedAsync() =>
        await LedgerAsync("bench") is var ledger && ledger["pending"] + ledger["parked"] == 0;
}
