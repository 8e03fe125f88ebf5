namespace VarianceActors.Pipeline.Metering;

/// <summary>How long messages took lately.</summary>
/// <param name="Messages">How many there were.</param>
/// <param name="P50">Half of them took no longer.</param>
/// <param name="P95">95 of 100 took no longer.</param>
/// <param name="P99">99 of 100 took no longer.</param>
public readonly record struct LatencyPercentiles(long Messages, TimeSpan P50, TimeSpan P95, TimeSpan P99);

/// <summary>
/// The latencies of the last ten minutes, as counts in steps of a fifth: a value is told at most 19 % too high, and memory
/// does not grow with the traffic.
/// </summary>
public sealed class LatencyWindow
{
    /// <summary>How far back it looks.</summary>
    public static readonly TimeSpan Length = TimeSpan.FromMinutes(Minutes);

    private const int Minutes = 10;
    private const int StepsPerOctave = 4;
    private const int Steps = 32 * StepsPerOctave;
    private readonly int[][] _counts = [.. Enumerable.Range(0, Minutes).Select(_ => new int[Steps])];
    private readonly long[] _minutes = new long[Minutes];

    /// <summary>The step that a latency counts in.</summary>
    public static int StepOf(TimeSpan latency) =>
        Math.Clamp((int)Math.Ceiling(Math.Log2(Math.Max(1, latency.TotalMilliseconds)) * StepsPerOctave), 0, Steps - 1);

    /// <summary>So many messages had a latency of this step.</summary>
    public void Add(int step, int messages, DateTimeOffset now)
    {
        var minute = MinuteOf(now);
        var slot = (int)(minute % Minutes);
        if (_minutes[slot] != minute)
        {
            _minutes[slot] = minute;
            Array.Clear(_counts[slot]);
        }

        _counts[slot][Math.Clamp(step, 0, Steps - 1)] += messages;
    }

    /// <summary>How long messages took in the ten minutes before <paramref name="now"/>; null if there were none.</summary>
    public LatencyPercentiles? Read(DateTimeOffset now)
    {
        var sums = new long[Steps];
        var minute = MinuteOf(now);
        for (var slot = 0; slot < Minutes; slot++)
        {
            for (var step = 0; step < Steps && minute - _minutes[slot] < Minutes; step++)
            {
                sums[step] += _counts[slot][step];
            }
        }

        var total = sums.Sum();
        return total == 0
            ? null
            : new LatencyPercentiles(total, At(sums, total, 0.50), At(sums, total, 0.95), At(sums, total, 0.99));
    }

    private static long MinuteOf(DateTimeOffset time) => time.ToUnixTimeSeconds() / 60;

    /// <summary>The upper end of the step in which the given part of all values is reached.</summary>
    private static TimeSpan At(long[] sums, long total, double part)
    {
        var (reached, step) = (0L, -1);
        while (reached < part * total)
        {
            reached += sums[++step];
        }

        return TimeSpan.FromMilliseconds(Math.Round(Math.Pow(2, (double)step / StepsPerOctave)));
    }
}
