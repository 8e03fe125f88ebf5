using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using Spectre.Console;
using VarianceActors.Host;

namespace VarianceActors.Benchmarks;

/// <summary>
/// Sends events to a host process as fast as it accepts them and counts what arrives at a receiver, both over real HTTP on
/// loopback. Everything shares this machine's cores.
/// </summary>
internal sealed class LoadRun(int events, int perRequest, string mapping)
{
    private const string Token = "phc_bench";
    private const string AdminKey = "admin-key-for-benchmarks";
    private const int Clients = 8;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("variance-load-");
        await using var receiver = await CountingReceiver.StartAsync();
        var url = $"http://127.0.0.1:{FreePort()}";
        using var host = StartHost(directory.FullName, url, receiver.Url);
        try
        {
            using var http = new HttpClient { BaseAddress = new Uri(url) };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
            await UntilAsync(() => IsReadyAsync(http), cancellationToken);
            await MeasureAsync(http, receiver, host, cancellationToken);
            return 0;
        }
        finally
        {
            host.Kill();
            await host.WaitForExitAsync(CancellationToken.None);
            directory.Delete(recursive: true);
        }
    }

    private async Task MeasureAsync(
        HttpClient http, CountingReceiver receiver, Process host, CancellationToken cancellationToken)
    {
        const int warmUp = 10_000;
        await SendAsync(http, 0, warmUp, cancellationToken);
        await UntilAsync(() => IsDrainedAsync(http), cancellationToken);
        var (receivedBefore, processorBefore) = (receiver.Count, host.TotalProcessorTime);
        var watch = Stopwatch.StartNew();
        await SendAsync(http, warmUp, events, cancellationToken);
        var accepted = watch.Elapsed;
        await UntilAsync(() => IsDrainedAsync(http), cancellationToken);
        var delivered = watch.Elapsed;
        host.Refresh();
        var processor = host.TotalProcessorTime - processorBefore;
        AnsiConsole.Write(new Table()
            .Title($"{events} events, {perRequest} a request, mapping {mapping}, SQLite")
            .AddColumns("measure", "value")
            .AddRow("accepted durably", $"{events / accepted.TotalSeconds:N0} events/s")
            .AddRow("accepted and delivered", $"{events / delivered.TotalSeconds:N0} events/s")
            .AddRow("messages received", $"{receiver.Count - receivedBefore:N0}")
            .AddRow("processor time of the host", $"{processor.TotalMicroseconds / events:N1} µs an event")
            .AddRow("resident memory of the host", $"{host.WorkingSet64 >> 20} MB"));
    }

    private async Task SendAsync(HttpClient http, int first, int count, CancellationToken cancellationToken)
    {
        var starts = Enumerable.Range(0, count / perRequest).Select(request => first + (request * perRequest));
        await Parallel.ForEachAsync(
            starts,
            new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancellationToken },
            async (start, stop) =>
            {
                var body = Traffic.Batch(Token, start, perRequest);
                while (!await TrySendAsync(http, body, stop))
                {
                    await Task.Yield();
                }
            });
    }

    private static async Task<bool> TrySendAsync(HttpClient http, byte[] body, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(body);
        using var answer = await http.PostAsync(new Uri("/batch/", UriKind.Relative), content, cancellationToken);
        return answer.StatusCode switch
        {
            HttpStatusCode.OK => true,
            HttpStatusCode.ServiceUnavailable => false,
            _ => throw new InvalidOperationException(await answer.Content.ReadAsStringAsync(cancellationToken)),
        };
    }

    private Process StartHost(string directory, string url, Uri receiver)
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
                rate { per-second = 1000000, burst = 1000000 }
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

    private static async Task<bool> IsReadyAsync(HttpClient http)
    {
        try
        {
            using var answer = await http.GetAsync(new Uri("/health/ready", UriKind.Relative));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static async Task<bool> IsDrainedAsync(HttpClient http)
    {
        var ledger = await http.GetFromJsonAsync<Dictionary<string, long>>(
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
