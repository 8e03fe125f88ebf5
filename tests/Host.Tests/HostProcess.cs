using System.Collections.Concurrent;
using System.Data.Common;
using System.Diagnostics;
using System.Net.Http.Json;
using Microsoft.Data.Sqlite;
using Npgsql;
using VarianceActors.Databases;
using VarianceActors.Harness;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Host.Tests;

/// <summary>A real host process on loopback, with a data directory of its own that outlives the process.</summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("variance-process-");
    private readonly ConcurrentQueue<string> _output = [];
    private readonly string _connectionBlock;
    private readonly string _furtherBlocks;
    private readonly StoreKind? _store;
    private string? _postgres;
    private Process? _process;

    /// <param name="connectionBlock">The block of each connection.</param>
    /// <param name="furtherBlocks">Other blocks of the configuration.</param>
    /// <param name="store">Where everything is kept.</param>
    public HostProcess(string connectionBlock, string furtherBlocks = "", StoreKind? store = null)
    {
        (_connectionBlock, _furtherBlocks, _store) = (connectionBlock, furtherBlocks, store);
        Url = new Uri($"http://127.0.0.1:{LoopbackPort.Free()}");
        Http = new HttpClient { BaseAddress = Url };
        Http.DefaultRequestHeaders.Add("Authorization", $"Bearer {PipelineHarness.AdminKey}");
    }

    public Uri Url { get; }

    public HttpClient Http { get; }

    public string DataDirectory => Path.Combine(_directory.FullName, "data");

    public IEnumerable<string> Output => _output;

    public int Id => _process!.Id;

    /// <summary>A connection to the pipeline's tables, past the process.</summary>
    public DbConnection OpenTables()
    {
        DbConnection connection = _postgres is { } postgres
            ? new NpgsqlConnection($"{postgres};Search Path=pipeline")
            : new SqliteConnection($"Data Source={Path.Combine(DataDirectory, "pipeline.db")};Pooling=False");
        connection.Open();
        return connection;
    }

    private string ConfigPath => Path.Combine(_directory.FullName, "variance.conf");

    /// <summary>Starts the process and returns when it is ready.</summary>
    public async Task StartAsync()
    {
        if (!File.Exists(ConfigPath))
        {
            await File.WriteAllTextAsync(ConfigPath, $$"""
                variance {
                  admin-key = "{{PipelineHarness.AdminKey}}"
                  connections { {{_connectionBlock}} }
                  {{_furtherBlocks}}
                }
                {{TestStore.Configuration(_postgres = await TestStore.CreateAsync(_store))}}
                """);
        }

        var start = new ProcessStartInfo("dotnet")
        {
            ArgumentList =
            {
                typeof(VarianceHost).Assembly.Location,
                "serve", "--config", ConfigPath, "--urls", Url.ToString(), "--data-dir", DataDirectory,
            },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DOTNET_TieredPGO"] = "0" }, // as in the tests: it does not live long
        };
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await PipelineHarness.UntilAsync(IsReadyAsync, "the process is ready: " + string.Join('\n', _output));
    }

    /// <summary>SIGKILL: nothing of the process runs any more.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    /// <summary>The resident memory of the process in bytes.</summary>
    public long ResidentBytes()
    {
        _process!.Refresh();
        return _process.WorkingSet64;
    }

    public async Task<Dictionary<string, long>> LedgerAsync() =>
        (await Http.GetFromJsonAsync<Dictionary<string, long>>($"/api/v1/connections/{PipelineHarness.Connection}/ledger"))!;

    /// <summary>How many events are pending or parked.</summary>
    public async Task<long> WaitingAsync()
    {
        var ledger = await LedgerAsync();
        return ledger["pending"] + ledger["parked"];
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await KillAsync();
        }

        Http.Dispose();
        _directory.Delete(recursive: true);
    }

    private async Task<bool> IsReadyAsync()
    {
        if (_process!.HasExited)
        {
            throw new InvalidOperationException("The process ended: " + string.Join('\n', _output));
        }

        try
        {
            using var answer = await Http.GetAsync(new Uri("/health/ready", UriKind.Relative));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
