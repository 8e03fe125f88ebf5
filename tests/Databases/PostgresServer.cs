using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace VarianceActors.Databases;

/// <summary>
/// A PostgreSQL server of the tests' own: from the installed binaries, on a free port of loopback, in a temporary folder, with
/// its fsync on. A shell holds it, and ends it and removes its folder as soon as this process is gone, however that comes.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private const string User = "variance";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly Lazy<Task<PostgresServer>> OfThisProcess = new(() => StartAsync());
    private static readonly string[] Folders =
        ["/usr/local/bin", "/usr/local/pgsql/bin", .. InstalledFolders()];

    private readonly Process _shell;
    private int _databases;

    private PostgresServer(Process shell, int port) => (_shell, Port) = (shell, port);

    /// <summary>The one server that the tests of an assembly share; started when it is first asked for.</summary>
    public static Task<PostgresServer> Shared => OfThisProcess.Value;

    /// <summary>The port on loopback.</summary>
    public int Port { get; }

    /// <summary>The process that all others of the server are children of.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Starts a server.</summary>
    /// <param name="settings">Further settings as the server takes them, such as <c>max_connections=20</c>.</param>
    public static async Task<PostgresServer> StartAsync(params string[] settings)
    {
        var (binaries, port) = (Binaries(), LoopbackPort.Free());
        var options = string.Concat(settings.Select(setting => $" -c {setting}"));
        var start = new ProcessStartInfo { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in (string[])[.. AsAnotherThanRoot(), "sh", "-c", Script, "postgres-of-tests"])
        {
            start.ArgumentList.Add(argument);
        }

        start.FileName = start.ArgumentList[0];
        start.ArgumentList.RemoveAt(0);
        start.WorkingDirectory = "/";
        start.Environment["BINARIES"] = binaries;
        start.Environment["SERVER_PORT"] = port.ToString(CultureInfo.InvariantCulture);
        start.Environment["SERVER_OPTIONS"] = options;
        var server = new PostgresServer(Process.Start(start)!, port);
        await server.ReadyAsync();
        return server;
    }

    /// <summary>Makes an empty database.</summary>
    /// <returns>How to connect to it.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await ExecuteAsync("postgres", $"CREATE DATABASE {name}");
        return ConnectionString(name, Port);
    }

    /// <summary>How to connect to a database, at this server or through a proxy in front of it.</summary>
    public static string ConnectionString(string database, int port) =>
        new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = port, Username = User, Database = database }.ToString();

    /// <summary>Runs statements as the server's owner, and returns the first value that they answer.</summary>
    public async Task<object?> ExecuteAsync(string database, string statements)
    {
        await using var connection = new NpgsqlConnection(ConnectionString(database, Port) + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(statements, connection);
        return await command.ExecuteScalarAsync();
    }

    /// <summary>Somebody who takes every connection that the server still gives.</summary>
    public async Task<Crowd> CrowdAsync()
    {
        var crowd = new Crowd(ConnectionString("postgres", Port) + ";Pooling=false");
        await crowd.FillAsync();
        return crowd;
    }

    /// <summary>SIGKILL for every process of the server; its files stay.</summary>
    public async Task KillAsync()
    {
        SendToAll(Signal.Kill);
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (StatusOf(ProcessId) is [not "Z", ..])
        {
            await ticks.WaitForNextTickAsync();
        }
    }

    /// <summary>Starts the server again on its files.</summary>
    public async Task RestartAsync()
    {
        await WriteAsync("start");
        await ReadyAsync();
    }

    /// <summary>SIGSTOP for every process of the server: connections stay, nobody answers.</summary>
    public void Freeze() => SendToAll(Signal.Stop);

    /// <summary>SIGCONT for every process of the server.</summary>
    public void Thaw() => SendToAll(Signal.Continue);

    /// <summary>Ends the server at once and removes its files.</summary>
    public async ValueTask DisposeAsync()
    {
        Thaw();
        _shell.StandardInput.Close();
        await _shell.WaitForExitAsync();
        _shell.Dispose();
    }

    private static string Script => """
        directory=$(mktemp -d "${TMPDIR:-/tmp}/variance-postgres-XXXXXX")
        trap 'rm -rf "$directory"' EXIT
        "$BINARIES/initdb" -D "$directory/data" -U variance -A trust -E UTF8 --locale=C --no-sync >"$directory/log" 2>&1 \
          || { cat "$directory/log"; exit 1; }
        launch() {
          "$BINARIES/postgres" -D "$directory/data" -p "$SERVER_PORT" -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories= -c max_connections=200 -c shared_buffers=32MB -c log_min_messages=fatal \
            $SERVER_OPTIONS >>"$directory/log" 2>&1 </dev/null &
          server=$!
          echo "started $server"
        }
        launch
        while read -r wish; do
          if [ "$wish" = start ]; then wait $server 2>/dev/null; launch; fi
        done
        kill -CONT $server 2>/dev/null
        kill -QUIT $server 2>/dev/null
        wait $server 2>/dev/null
        """;


    private static string Binaries() => Folders.FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")))
        ?? throw new InvalidOperationException(
            "These tests need PostgreSQL's own programs (initdb, postgres): install the package postgresql.");

    private static IEnumerable<string> InstalledFolders() => Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql").Order().Reverse().Select(version => Path.Combine(version, "bin"))
        : [];

    /// <summary>The server refuses to run as root.</summary>
    private static string[] AsAnotherThanRoot() => Environment.IsPrivilegedProcess
        ? ["setpriv", "--reuid", OtherUser(), "--regid", OtherUser(), "--clear-groups"]
        : [];

    private static string OtherUser() =>
        File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : "65534";

    private async Task ReadyAsync()
    {
        ProcessId = int.Parse((await ReadAsync("started"))["started ".Length..], CultureInfo.InvariantCulture);
        using var patience = new CancellationTokenSource(Patience);
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (true)
        {
            try
            {
                await ExecuteAsync("postgres", "SELECT 1");
                return;
            }
            catch (NpgsqlException) when (!patience.IsCancellationRequested)
            {
                await ticks.WaitForNextTickAsync();
            }
        }
    }

    private async Task WriteAsync(string wish)
    {
        await _shell.StandardInput.WriteLineAsync(wish);
        await _shell.StandardInput.FlushAsync();
    }

    private async Task<string> ReadAsync(string beginning)
    {
        while (await _shell.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(beginning, StringComparison.Ordinal))
            {
                return line;
            }

            await Console.Error.WriteLineAsync(line);
        }

        throw new InvalidOperationException("The server could not be started.");
    }

    /// <summary>The postmaster first, so that it starts nobody anew.</summary>
    private void SendToAll(Signal signal)
    {
        var children = Directory.GetDirectories("/proc")
            .Select(Path.GetFileName)
            .Where(name => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .Select(name => int.Parse(name!, CultureInfo.InvariantCulture))
            .Where(process => ParentOf(process) == ProcessId)
            .ToList();
        foreach (var process in (int[])[ProcessId, .. children])
        {
            Signals.Send(process, signal);
        }
    }

    private static int ParentOf(int process) =>
        StatusOf(process) is [_, var parent, ..] ? int.Parse(parent, CultureInfo.InvariantCulture) : 0;

    /// <summary>The state of a process, its parent, and more; empty when it has ended.</summary>
    private static string[] StatusOf(int process)
    {
        try
        {
            var status = File.ReadAllText($"/proc/{process}/stat");
            return status[(status.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
