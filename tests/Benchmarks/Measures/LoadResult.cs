namespace VarianceActors.Benchmarks.Measures;

/// <summary>What a process used, per event of the measured part.</summary>
/// <param name="ProcessorMicroseconds">Processor time per event.</param>
/// <param name="ResidentBytes">Resident memory at the end.</param>
/// <param name="WrittenBytes">Written to the disk per event.</param>
internal sealed record ProcessCost(double ProcessorMicroseconds, long ResidentBytes, double WrittenBytes);

/// <summary>Milliseconds from the answer 200 to the arrival at the receiver; 0 where it arrived before the answer was read.</summary>
internal sealed record Latency(double P50, double P95, double P99, double Max)
{
    /// <summary>Of some latencies; they get sorted.</summary>
    public static Latency Of(double[] milliseconds)
    {
        Array.Sort(milliseconds);
        return new Latency(At(0.5), At(0.95), At(0.99), milliseconds[^1]);

        double At(double part) => milliseconds[(int)Math.Min(milliseconds.Length - 1, part * milliseconds.Length)];
    }
}

/// <summary>One moment of a run.</summary>
/// <param name="Seconds">Since the first request.</param>
/// <param name="Accepted">Events accepted by then.</param>
/// <param name="Delivered">Events delivered by then.</param>
/// <param name="ResidentBytes">Resident memory by process.</param>
internal sealed record Moment(double Seconds, long Accepted, long Delivered, IReadOnlyDictionary<string, long> ResidentBytes);

/// <summary>What a run came to.</summary>
/// <param name="Contestant">Who took the events.</param>
/// <param name="Events">How many were sent.</param>
/// <param name="Bytes">Of their requests' bodies.</param>
/// <param name="Refused">Requests that were answered 503 and sent again.</param>
/// <param name="AcceptedPerSecond">Events, until the last answer 200.</param>
/// <param name="DeliveredPerSecond">Events, until the last arrival; 0 where nothing is delivered.</param>
/// <param name="Missing">Events that did not arrive.</param>
/// <param name="Repeated">Arrivals of an event that had arrived before.</param>
/// <param name="Processes">What each process used.</param>
internal sealed record LoadResult(
    string Contestant,
    int Events,
    long Bytes,
    long Refused,
    double AcceptedPerSecond,
    double DeliveredPerSecond,
    long Missing,
    long Repeated,
    IReadOnlyDictionary<string, ProcessCost> Processes)
{
    /// <summary>From accepted to delivered; null where nothing is delivered.</summary>
    public Latency? Latency { get; init; }

    /// <summary>Every event with the moments of its acceptance and its arrival, summed up over time.</summary>
    public IReadOnlyList<Moment> Moments { get; init; } = [];

    /// <summary>Seconds since the first request and latency in milliseconds, of a sample of events.</summary>
    public IReadOnlyList<double[]> LatencyOverTime { get; init; } = [];

    /// <summary>The result, if every event arrived once.</summary>
    public LoadResult Verified() => Missing == 0 && Repeated == 0
        ? this
        : throw new InvalidOperationException($"{Contestant}: {Missing} events are missing, {Repeated} came again.");
}
