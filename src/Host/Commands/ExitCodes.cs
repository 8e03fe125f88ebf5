namespace VarianceActors.Host.Commands;

/// <summary>What a command says to the one who started it.</summary>
public static class ExitCodes
{
    /// <summary>It did what it was asked, or stopped when it was asked.</summary>
    public const int Done = 0;

    /// <summary>The configuration is fine, but the start failed, such as on an address in use.</summary>
    public const int StartFailed = 1;

    /// <summary>The node that was asked is not ready, or does not answer.</summary>
    public const int NotReady = 1;

    /// <summary>The configuration or the command line has faults; all are listed on standard error.</summary>
    public const int BadConfiguration = 2;

    /// <summary>The node was downed, put into quarantine or stood still: it is no part of its cluster any more. Start it again.</summary>
    public const int LostItsCluster = 3;
}
