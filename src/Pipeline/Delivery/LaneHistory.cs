namespace VarianceActors.Pipeline.Delivery;

/// <summary>What the first message of a waiting lane has been through; it outlives a restart.</summary>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="FirstAttemptAt">When it was sent first.</param>
/// <param name="LastAttemptAt">When it was sent last.</param>
/// <param name="FailsAloneSince">Since when it fails although others get through; null while nothing does. Moved forward by
/// the length of every outage that is seen, and by that of every long wait after its pause was over.</param>
/// <param name="Delay">The last pause that was drawn, from which the next one is.</param>
/// <param name="NextAttemptAt">When it is sent again, and never earlier.</param>
public sealed record LaneHistory(
    int Attempts,
    DateTimeOffset FirstAttemptAt,
    DateTimeOffset LastAttemptAt,
    DateTimeOffset? FailsAloneSince,
    TimeSpan Delay,
    DateTimeOffset NextAttemptAt);
