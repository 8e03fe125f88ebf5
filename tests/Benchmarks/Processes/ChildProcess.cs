using System.Diagnostics;

namespace VarianceActors.Benchmarks.Processes;

/// <summary>A process that is told what to do line by line, and answers line by line. It ends when its input does.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private readonly Process _process;

    private ChildProcess(Process process) => _process = process;

    /// <summary>Its number.</summary>
    public int Id => _process.Id;

    /// <summary>Starts a role of this program (<see cref="Roles"/>).</summary>
    public static Task<ChildProcess> StartRoleAsync(params string[] arguments) =>
        StartAsync("dotnet", [typeof(ChildProcess).Assembly.Location, .. arguments]);

    /// <summary>Starts a program and returns when it says that it is ready.</summary>
    public static async Task<ChildProcess> StartAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
        var child = new ChildProcess(Process.Start(start)!);
        await child.ReadAsync("ready");
        return child;
    }

    /// <summary>Says a line and returns what the answer says behind its first word.</summary>
    public async Task<string> AskAsync(string line, string answer)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
        return await ReadAsync(answer);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task<string> ReadAsync(string word)
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(word, StringComparison.Ordinal))
            {
                return line[word.Length..].Trim();
            }

            await Console.Error.WriteLineAsync(line);
        }

        throw new InvalidOperationException($"A process of the benchmark ended before it said '{word}'.");
    }
}
