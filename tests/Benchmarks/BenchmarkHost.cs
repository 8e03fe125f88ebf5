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
    private readonly HttpClient _http;

    private BenchmarkHost(DirectoryInfo directory, Process process, string url)
    {
        _directory = directory;
        _http = new HttpClient { BaseAddress = new Uri(url) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        Process = process;
    }

    /// <summary>The process.</summary>
    public Process Process { get; }

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
    public static async Task<BenchmarkHost> StartAsync(Uri receiver, string mapping, CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("variance-load-");
        var url = $"http://127.0.0.1:{FreePort()}";
        var host = new BenchmarkHost(directory, StartProcess(directory.FullName, url, receiver, mapping), url);
        await UntilAsync(host.IsReadyAsync, cancellationToken);
        return host;
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

    private static Process StartProcess(string directory, string url, Uri receiver, string mapping)
    {
        var configuration = Path.Combine(directory, "load.conf");
        File.WriteAllText(configuration, $$"""
            variance {
              admin-key = "{{AdminKey}}"
              connections.bench {
                tokens = ["{{Token}}"]
                url = "{{receiver}}"
                mapping = {{mapping}}
                allow-private-network = on
                rate.per-second = 0
              }
            }
            """);
        return Process.Start(new ProcessStartInfo("dotnet")
        {
            ArgumentList =
            {
                typeof(VarianceHost).Assembly.Location,
                "serve", "--config", configuration, "--urls", url, "--data-dir", Path.Combine(directory, "data"),
            },
        })!;
    }

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

    private async Task<bool> IsDrainedAsync()
    {
        var ledger = await _http.GetFromJsonAsync<Dictionary<string, long>>(
            new Uri("/api/v1/connections/bench/ledger", UriKind.Relative));
        return ledger!["pending"] == 0;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, CancellationToken cancellationToken)
    {
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await condition())
        {
            await ticks.WaitForNextTickAsync(cancellationToken);
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
