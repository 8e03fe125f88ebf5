namespace VarianceActors.Host.Commands;

/// <summary>The directory of the databases.</summary>
internal static class DataDirectory
{
    /// <summary>Makes the directory if it is not there and writes a byte into it.</summary>
    /// <exception cref="IOException">It cannot be made or written to; the message names it.</exception>
    public static void Prepare(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
            var probe = Path.Combine(path, $".writable-{Environment.ProcessId}");
            using var stream = new FileStream(
                probe, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
            stream.WriteByte(0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"the data directory {path} is not writable: {e.Message}", e);
        }
    }

    /// <summary>Makes sure that no other process works on the directory, until the result is disposed of or the process
    /// ends.</summary>
    /// <exception cref="IOException">Another process works on it; the message says so.</exception>
    public static FileStream Lock(string path)
    {
        Directory.CreateDirectory(path);
        try
        {
            return new FileStream(
                Path.Combine(path, "in-use"), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1);
        }
        catch (IOException e)
        {
            throw new IOException($"the data directory {path} is in use by another process; give each its own", e);
        }
    }
}
