using System.Globalization;

namespace VarianceActors.Cluster.Tests;

/// <summary>How long the long runs are.</summary>
internal static class Settings
{
    /// <summary>What the environment says, or else.</summary>
    public static int Number(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { } value ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;
}
