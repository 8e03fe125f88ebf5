using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using VarianceActors.Host.Commands;
using Xunit;

namespace VarianceActors.Host.Tests.Commands;

/// <summary>The built host as a process of its own, as a person starts it.</summary>
public sealed class ServeCommandTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("serve-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task Check_says_what_would_run_and_no_secret()
    {
        var file = Write("""
            variance {
              admin-key = "canary-0123456789"
              connections {
                acme {
                  tokens = [phc_canary], webhook-secret = "canary-9876543210"
                  url = "https://host/canary", authorization = "canary"
                  signature.secret = "canary-5555555555", headers = ["X-Key: canary"]
                }
                beta { tokens = [phc_canary_b], mapping = plugin }
              }
            }
            """);

        var ended = await RunAsync(
            "serve", "--check", "--config", file, "--set", "variance.inbox.partitions=8", "--data-dir", "here");

        Assert.Equal(
            """
            the configuration is good
            listens at http://127.0.0.1:8000; API with the admin key
            data in here, 8 partitions
            connection acme: mapping contacts, 1 token, webhook, to https://host at 100/s, signed
            connection beta: mapping plugin, 1 token, no webhook, dry run (no url)

            """,
            ended.Output);
        Assert.Equal("", ended.Error);
        Assert.Equal(ExitCodes.Done, ended.ExitCode);
        Assert.Empty(_directory.GetDirectories());
    }

    [Fact]
    public async Task Check_reports_all_faults_of_all_places()
    {
        var file = Write("variance { admin-key = canary }");

        var ended = await RunAsync(
            "serve", "--check", "--config", file, "--config", "gone.conf", "--urls", "https://host", "--set", "x");

        Assert.Equal(
            $"""
            --urls: 'https://host' is no address to listen at; give http://HOST:PORT (a proxy in front speaks https)
            gone.conf: there is no such file; check the path given to --config
            --set: give variance.KEY=VALUE (--set number 1)
            variance.admin-key: is shorter than 16 characters; make one with: openssl rand -hex 24 ({file}:1)
            4 faults in the configuration

            """,
            ended.Error);
        Assert.Equal("", ended.Output);
        Assert.Equal(ExitCodes.BadConfiguration, ended.ExitCode);
    }

    [Fact]
    public async Task Faults_stop_the_start_too()
    {
        var ended = await RunAsync("serve", "--config", "gone.conf", "--data-dir", "here");

        Assert.Equal(ExitCodes.BadConfiguration, ended.ExitCode);
        Assert.Empty(_directory.GetDirectories());
    }

    [Fact]
    public async Task An_unknown_option_is_a_fault() =>
        Assert.Equal(ExitCodes.BadConfiguration, (await RunAsync("serve", "--no-such-option")).ExitCode);

    [Fact]
    public async Task An_address_in_use_is_one_clear_line()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();

        var ended = await RunAsync("serve", "--urls", $"http://{other.LocalEndpoint}");

        Assert.Equal(
            $"cannot start: Failed to bind to address http://{other.LocalEndpoint}: address already in use.",
            ended.Error.TrimEnd());
        Assert.DoesNotContain("warn:", ended.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("fail:", ended.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.StartFailed, ended.ExitCode);
    }

    [Fact]
    public async Task A_data_directory_that_cannot_be_made_is_one_clear_line()
    {
        var file = Write("this is a file");

        var ended = await RunAsync("serve", "--data-dir", Path.Combine(file, "data"));

        var directory = Path.Combine(file, "data");
        Assert.StartsWith(
            $"cannot start: the data directory {directory} is not writable: ", ended.Error, StringComparison.Ordinal);
        Assert.Single(ended.Error.TrimEnd().Split('\n'));
        Assert.Equal(ExitCodes.StartFailed, ended.ExitCode);
    }

    [Theory]
    [InlineData(PosixSignal.SIGTERM)]
    [InlineData(PosixSignal.SIGINT)]
    public async Task A_signal_ends_it_well(PosixSignal signal)
    {
        using var process = Start("serve", "--urls", "http://127.0.0.1:0", "--data-dir", "data");
        var url = await ListeningAddressAsync(process);

        using var client = new HttpClient();
        using var live = await client.GetAsync(new Uri($"{url}/health/live"));
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        Assert.Empty(live.Headers.Server);
        Assert.True(Directory.Exists(Path.Combine(_directory.FullName, "data")));

        using var kill = Process.Start("kill", [signal == PosixSignal.SIGTERM ? "-TERM" : "-INT", $"{process.Id}"]);
        var ended = await EndAsync(process);

        Assert.Equal(ExitCodes.Done, ended.ExitCode);
        Assert.Equal("", ended.Error);
    }

    private static async Task<string> ListeningAddressAsync(Process process)
    {
        const string Announcement = "Now listening on: ";
        using var patience = new CancellationTokenSource(Patience);
        while (await process.StandardOutput.ReadLineAsync(patience.Token) is { } line)
        {
            if (line.Contains(Announcement, StringComparison.Ordinal))
            {
                return line[(line.IndexOf(Announcement, StringComparison.Ordinal) + Announcement.Length)..].Trim();
            }
        }

        var error = await process.StandardError.ReadToEndAsync();
        throw new InvalidOperationException($"The host ended without listening: {error}");
    }

    private async Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        return await EndAsync(process);
    }

    private static async Task<(int ExitCode, string Output, string Error)> EndAsync(Process process)
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(patience.Token);
            var error = process.StandardError.ReadToEndAsync(patience.Token);
            await process.WaitForExitAsync(patience.Token);
            return (process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }

    private Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", typeof(VarianceHost).Assembly.Location, .. arguments])
        {
            WorkingDirectory = _directory.FullName,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }

    private string Write(string text)
    {
        var path = Path.Combine(_directory.FullName, "test.conf");
        File.WriteAllText(path, text);
        return path;
    }
}
