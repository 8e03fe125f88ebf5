using System.Collections;

namespace VarianceActors.Host.Configuration;

/// <summary>
/// The layer of environment variables: <c>VARIANCE__CONNECTIONS__ACME__ALLOW_PRIVATE_NETWORK</c> is
/// <c>variance.connections.acme.allow-private-network</c>. Case does not matter, nor <c>_</c> for <c>-</c>.
/// </summary>
public static class EnvironmentSource
{
    private const string Prefix = "VARIANCE__";

    /// <summary>Reads the variables that begin with <c>VARIANCE__</c>; others are nobody's business here.</summary>
    public static ConfigurationLayer From(IDictionary variables) =>
        new(
            variables.Keys.OfType<string>()
                .Where(IsOurs)
                .Order(StringComparer.Ordinal)
                .Select(name => Read(name, variables)),
            []);

    private static bool IsOurs(string name) => name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);

    private static Setting Read(string name, IDictionary variables) =>
        new(Key(name), variables[name] as string ?? "", $"environment variable {name}");

    private static string Key(string name) =>
        string.Join(':', name.Split("__").Select(segment => segment.ToLowerInvariant().Replace('_', '-')));
}
