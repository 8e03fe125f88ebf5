namespace VarianceActors.Host;

/// <summary>The entry point.</summary>
public static class Program
{
    /// <summary>Runs a command.</summary>
    public static int Main() => 0;
}
