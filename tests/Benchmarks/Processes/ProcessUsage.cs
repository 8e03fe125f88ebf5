using System.Globalization;

namespace VarianceActors.Benchmarks.Processes;

/// <summary>What a process has used so far, by the kernel's books. Linux.</summary>
/// <param name="Processor">Processor time.</param>
/// <param name="ResidentBytes">Resident memory now.</param>
/// <param name="WrittenBytes">Bytes that it had written to the disk.</param>
internal readonly record struct ProcessUsage(TimeSpan Processor, long ResidentBytes, long WrittenBytes)
{
    private const double TicksPerSecond = 100;

    /// <summary>The usage of a process with all that it has started, ended children included.</summary>
    public static ProcessUsage Of(int process)
    {
        var total = OfOne(process, withEnded: true);
        foreach (var child in Children(process))
        {
            var usage = OfOne(child, withEnded: false);
            total = new ProcessUsage(
                total.Processor + usage.Processor,
                total.ResidentBytes + usage.ResidentBytes,
                total.WrittenBytes + usage.WrittenBytes);
        }

        return total;
    }

    private static ProcessUsage OfOne(int process, bool withEnded)
    {
        try
        {
            var fields = Fields(process);
            var ticks = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
            if (withEnded)
            {
                ticks += long.Parse(fields[13], CultureInfo.InvariantCulture)
                    + long.Parse(fields[14], CultureInfo.InvariantCulture);
            }

            return new ProcessUsage(
                TimeSpan.FromSeconds(ticks / TicksPerSecond),
                Number($"/proc/{process}/smaps_rollup", "Pss:") << 10,
                Number($"/proc/{process}/io", "write_bytes:"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return default; // it has ended
        }
    }

    private static long Number(string file, string name) => long.Parse(
        File.ReadLines(file).First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Replace("kB", "", StringComparison.Ordinal),
        CultureInfo.InvariantCulture);

    private static List<int> Children(int process) => [.. Directory.GetDirectories("/proc")
        .Select(Path.GetFileName)
        .Where(name => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _))
        .Select(name => int.Parse(name!, CultureInfo.InvariantCulture))
        .Where(one => IsChild(one, process))];

    private static bool IsChild(int one, int parent)
    {
        try
        {
            return int.Parse(Fields(one)[1], CultureInfo.InvariantCulture) == parent;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>What stands in <c>stat</c> behind the name: state, parent, ...</summary>
    private static string[] Fields(int process)
    {
        var stat = File.ReadAllText($"/proc/{process}/stat");
        return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
    }
}
