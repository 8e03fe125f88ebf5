using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>How long finished work is kept: the block <c>variance.retention</c>.</summary>
public sealed class RetentionOptions
{
    /// <summary>Age of ledger rows and warnings; how long a repeat of an event is recognised.</summary>
    [Range(typeof(TimeSpan), "01:00:00", "3650.00:00:00")]
    public TimeSpan Ledger { get; set; }

    /// <summary>Age of delivered messages; never above <see cref="Ledger"/>.</summary>
    [Range(typeof(TimeSpan), "01:00:00", "3650.00:00:00")]
    public TimeSpan Outbox { get; set; }

    /// <summary>Pause between two sweeps.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan Interval { get; set; }
}
