using System.Collections.Concurrent;
using System.Globalization;

namespace VarianceActors.Cluster.Tests;

/// <summary>Which process a connection on loopback belongs to.</summary>
internal static class Sockets
{
    private static readonly ConcurrentDictionary<(int Process, int Port), bool> Known = [];

    /// <summary>Whether a process has a socket with this local port.</summary>
    public static bool Owns(int process, int port) => Known.GetOrAdd((process, port), key =>
    {
        var inodes = ((string[])["/proc/net/tcp", "/proc/net/tcp6"])
            .SelectMany(file => File.ReadLines(file).Skip(1))
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => int.Parse(fields[1].Split(':')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) == key.Port)
            .Select(fields => $"socket:[{fields[9]}]")
            .ToHashSet(StringComparer.Ordinal);
        return OpenFiles(key.Process).Any(inodes.Contains);
    });

    private static IEnumerable<string> OpenFiles(int process)
    {
        var folder = $"/proc/{process}/fd";
        return Directory.Exists(folder)
            ? Directory.GetFiles(folder).Select(file => new FileInfo(file).LinkTarget ?? "")
            : [];
    }
}
