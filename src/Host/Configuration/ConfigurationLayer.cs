using System.Collections.Immutable;

namespace VarianceActors.Host.Configuration;

/// <summary>One layer of configuration, such as a file, with the places where its settings were written.</summary>
public sealed class ConfigurationLayer : ConfigurationProvider, IConfigurationSource
{
    private readonly Dictionary<string, string> _origins = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Takes the settings in order; of two with one key the later counts.</summary>
    public ConfigurationLayer(IEnumerable<Setting> settings, ImmutableArray<ConfigurationFault> faults)
    {
        foreach (var setting in settings)
        {
            Data[setting.Key] = setting.Value;
            _origins[setting.Key] = setting.Origin;
        }

        Faults = faults;
    }

    /// <summary>What was wrong with the layer itself, such as a syntax error.</summary>
    public ImmutableArray<ConfigurationFault> Faults { get; }

    /// <summary>Whether the layer says anything at this key or below it.</summary>
    public bool Has(string key) => Data.ContainsKey(key) || HasChildren(key);

    /// <summary>Whether the layer says anything below this key.</summary>
    public bool HasChildren(string key) => Data.Keys.Any(candidate => IsBelow(candidate, key));

    /// <summary>Where this key, or the first one below it, was written; empty if nowhere.</summary>
    public string OriginOf(string key) =>
        _origins.TryGetValue(key, out var origin)
            ? origin
            : _origins.FirstOrDefault(candidate => IsBelow(candidate.Key, key)).Value ?? "";

    /// <inheritdoc/>
    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

    private static bool IsBelow(string candidate, string key) =>
        candidate.Length > key.Length + 1
        && candidate[key.Length] == ':'
        && candidate.StartsWith(key, StringComparison.OrdinalIgnoreCase);
}

/// <summary>One value as it was written.</summary>
/// <param name="Key">Path with colons, such as <c>variance:data-dir</c>; elements of a list end in their index.</param>
/// <param name="Value">The text; null for an empty block.</param>
/// <param name="Origin">Where it was written.</param>
public readonly record struct Setting(string Key, string? Value, string Origin)
{
    /// <summary>The key alone: values may be secret.</summary>
    public override string ToString() => Key;
}
