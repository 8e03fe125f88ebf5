using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>How events go from the inbox to the persons: the block <c>variance.ingest</c>.</summary>
public sealed class IngestOptions
{
    /// <summary>Events in flight per partition.</summary>
    [Range(1, 1_000_000)]
    public int WindowEvents { get; set; }

    /// <summary>Bytes of events in flight per partition.</summary>
    [Range(1_024, 1_073_741_824)]
    public int WindowBytesMax { get; set; }

    /// <summary>After this long without an answer a person is asked again.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00")]
    public TimeSpan AskAgainAfter { get; set; }

    /// <summary>How often the inbox is read without a notice of new events.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan PollInterval { get; set; }
}
