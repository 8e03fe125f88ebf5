using System.Collections.Immutable;

namespace VarianceActors.Host.Configuration;

/// <summary>One layer of configuration, such as a file, with the places where its settings were written.</summary>
public sealed class ConfigurationLayer
{
    private static readonly StringComparer Keys = StringComparer.OrdinalIgnoreCase;
    private readonly Dictionary<string, Setting> _settings = new(Keys);
    private readonly Dictionary<string, List<string>> _children = new(Keys);
    private readonly Dictionary<string, string> _origins = new(Keys);

    /// <summary>Takes the settings in order; of two with one key the later counts.</summary>
    public ConfigurationLayer(IEnumerable<Setting> settings, ImmutableArray<ConfigurationFault> faults)
    {
        Faults = faults;
        foreach (var setting in settings)
        {
            _settings[setting.Key] = setting;
            _origins[setting.Key] = setting.Origin;
            AddToParents(setting);
        }
    }

    /// <summary>What was wrong with the layer itself, such as a syntax error.</summary>
    public ImmutableArray<ConfigurationFault> Faults { get; }

    /// <summary>Whether the layer says anything at this key or below it.</summary>
    public bool Has(string key) => _origins.ContainsKey(key);

    /// <summary>The names right below this key, in the order they were written; the top has an empty key.</summary>
    public IReadOnlyList<string> ChildNames(string key) => _children.TryGetValue(key, out var names) ? names : [];

    /// <summary>The text at this key; null if there is none, or a block.</summary>
    public string? ValueOf(string key) => _settings.TryGetValue(key, out var setting) ? setting.Value : null;

    /// <summary>Where this key, or the first one below it, was written; empty if nowhere.</summary>
    public string OriginOf(string key) => _origins.GetValueOrDefault(key, "");

    private void AddToParents(Setting setting)
    {
        for (var key = setting.Key; key.Length > 0;)
        {
            var end = key.LastIndexOf(':');
            var (parent, name) = end < 0 ? ("", key) : (key[..end], key[(end + 1)..]);
            if (!_children.TryGetValue(parent, out var names))
            {
                _children[parent] = names = [];
            }

            if (!names.Contains(name, Keys))
            {
                names.Add(name);
            }

            _origins.TryAdd(parent, setting.Origin);
            key = parent;
        }
    }
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
