using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Views;

/// <summary>The tables that the API lists contacts and accounts from: the block <c>variance.views</c>.</summary>
public sealed class ViewsOptions
{
    /// <summary>Whether they are kept.</summary>
    public bool Enabled { get; set; }

    /// <summary>How long news gather before they are folded in.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:01:00")]
    public TimeSpan Lag { get; set; }

    /// <summary>Entries of one transaction.</summary>
    [Range(1, 100_000)]
    public int BatchEntries { get; set; }

    /// <summary>Events of a distinct id that are listed.</summary>
    [Range(1, 10_000)]
    public int RecentEvents { get; set; }

    /// <summary>Age of daily activity and of what is counted of stages.</summary>
    [Range(typeof(TimeSpan), "1.00:00:00", "3650.00:00:00")]
    public TimeSpan Activity { get; set; }

    /// <summary>Pause between two looks for contacts whose stage ends with a window.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan StageSweep { get; set; }
}
