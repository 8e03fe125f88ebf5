using System.Collections.Concurrent;
using System.Diagnostics;
using VarianceActors.Databases;
using VarianceActors.Harness;
using VarianceActors.Host;

namespace VarianceActors.Cluster.Tests;

/// <summary>A host process that is a node, and what a supervisor does: it starts the process again when it ends by itself.</summary>
internal sealed class ClusterNode : IAsyncDisposable
{
    private readonly string _configuration = Path.GetTempFileName();
    private readonly ConcurrentQueue<string> _output = [];
    private readonly ConcurrentQueue<(int Code, long At)> _ends = [];
    private Process? _process;
    private bool _isWanted;

    public ClusterNode(int number)
    {
        Number = number;
        RemotingPort = LoopbackPort.Free();
        Url = new Uri($"http://127.0.0.1:{LoopbackPort.Free()}");
        Http = new HttpClient(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(1) })
        {
            BaseAddress = Url,
            Timeout = TimeSpan.FromSeconds(10),
        };
        Http.DefaultRequestHeaders.Add("Authorization", $"Bearer {PipelineHarness.AdminKey}");
    }

    public int Number { get; }

    /// <summary>The build that it runs, from its next start on.</summary>
    public string Program { get; set; } = typeof(VarianceHost).Assembly.Location;

    public int RemotingPort { get; }

    public Uri Url { get; }

    public HttpClient Http { get; }

    public int Id => _process?.Id ?? 0;

    public IEnumerable<string> Output => _output;

    /// <summary>Its threads, and its resident memory in MB.</summary>
    public (int Threads, long Megabytes) Size
    {
        get
        {
            using var process = Process.GetProcessById(Id);
            return (process.Threads.Count, process.WorkingSet64 / 1_048_576);
        }
    }

    /// <summary>With which code and when the process ended by itself, by <see cref="Stopwatch.GetTimestamp"/>.</summary>
    public IReadOnlyCollection<(int Code, long At)> Ends => _ends;

    /// <summary>When the process was started last, by the same clock.</summary>
    public long StartedAt { get; private set; }

    /// <summary>Whether the node says that it is ready.</summary>
    public bool IsReady { get; private set; }

    public void Configure(string text) => File.WriteAllText(_configuration, text);

    public void Start()
    {
        _isWanted = true;
        var start = new ProcessStartInfo("dotnet")
        {
            ArgumentList =
            {
                Program, "serve", "--config", _configuration, "--urls", Url.ToString(),
            },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DOTNET_TieredPGO"] = "0" }, // as in the tests: it does not live long
        };
        var process = new Process { StartInfo = start, EnableRaisingEvents = true };
        process.OutputDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        process.ErrorDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        process.Exited += (_, _) =>
        {
            if (_isWanted && process == _process)
            {
                _ends.Enqueue((process.ExitCode, Stopwatch.GetTimestamp()));
                Start();
            }
        };
        _process = process;
        StartedAt = Stopwatch.GetTimestamp();
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public void Send(Signal signal) => Signals.Send(Id, signal);

    /// <summary>SIGKILL, and nobody starts it again.</summary>
    public Task KillAsync() => EndAsync(Signal.Kill);

    /// <summary>SIGTERM; returns when the process has ended.</summary>
    public Task StopAsync() => EndAsync(Signal.Terminate);

    /// <summary>Asks whether the node is ready, as a load balancer does.</summary>
    public async Task<bool> LookAsync()
    {
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(3));
            using var answer = await Http.GetAsync(new Uri("/health/ready", UriKind.Relative), patience.Token);
            IsReady = answer.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            IsReady = false;
        }

        return IsReady;
    }

    /// <summary>What the node says of its readiness.</summary>
    public async Task<string> HealthAsync()
    {
        try
        {
            using var answer = await Http.GetAsync(new Uri("/health/ready", UriKind.Relative));
            return $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return e.Message;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Send(Signal.Continue);
        await KillAsync();
        Http.Dispose();
        File.Delete(_configuration);
    }

    private async Task EndAsync(Signal signal)
    {
        _isWanted = false; // that it ends a load balancer learns from the node, or by not reaching it
        if (_process is { HasExited: false } process)
        {
            Signals.Send(process.Id, signal);
            await process.WaitForExitAsync();
        }
    }
}
