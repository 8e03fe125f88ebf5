using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Inbox;

/// <summary>What became of a request's events.</summary>
public enum AppendOutcome
{
    /// <summary>They are on disk: the sender may forget them.</summary>
    Committed,

    /// <summary>Too much waits already; nothing of the request was kept.</summary>
    Full,

    /// <summary>The database did not confirm the commit. The events may or may not be kept: the sender must repeat them.</summary>
    Unavailable,
}

/// <summary>Puts the events of one request into the inbox, all or none, and answers when that is durable.</summary>
public delegate ValueTask<AppendOutcome> AppendEvents(
    string connectionId, IReadOnlyList<CaptureEvent> events, CancellationToken cancellationToken);
