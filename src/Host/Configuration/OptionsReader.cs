using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using VarianceActors.Pipeline;

namespace VarianceActors.Host.Configuration;

/// <summary>
/// Walks the options and the layers side by side. Unlike the framework's configuration it goes on after a fault,
/// replaces lists instead of mixing their elements, and knows where each value was written.
/// </summary>
internal sealed class OptionsReader(IReadOnlyList<ConfigurationLayer> layers)
{
    private const string Root = "variance";
    private const string Connections = "variance:connections";
    private const string ConnectionDefaults = "variance:connection-defaults";
    private readonly List<ConfigurationFault> _faults = [.. layers.SelectMany(layer => layer.Faults)];

    /// <summary>Everything that is wrong so far, in the order of the keys.</summary>
    public IReadOnlyList<ConfigurationFault> Faults => _faults;

    /// <summary>The options; complete only if there is no fault.</summary>
    public PipelineOptions Read()
    {
        foreach (var name in ChildNames("").Where(name => !name.Equals(Root, StringComparison.OrdinalIgnoreCase)))
        {
            Report(name, $"unknown key; everything belongs inside {Root} {{ }}");
        }

        return (PipelineOptions)ReadBlock(typeof(PipelineOptions), Root, null);
    }

    /// <summary>Adds a fault once: a mistake in the defaults of connections is met in every connection.</summary>
    public void Report(string key, string message)
    {
        var fault = new ConfigurationFault(OptionsSchema.Path(key), message, Latest(key)?.OriginOf(key) ?? "");
        if (!_faults.Contains(fault))
        {
            _faults.Add(fault);
        }
    }

    private object ReadBlock(Type type, string key, string? fallback)
    {
        RequireBlock(key);
        var block = Activator.CreateInstance(type)!;
        foreach (var property in OptionsSchema.Properties(type))
        {
            var name = OptionsSchema.KeyOf(property);
            var below = fallback is null ? null : $"{fallback}:{name}";
            property.SetValue(block, ReadProperty(property, $"{key}:{name}", below));
        }

        ReportUnknown(type, key);
        return block;
    }

    private object? ReadProperty(PropertyInfo property, string key, string? fallback)
    {
        var type = property.PropertyType;
        if (key == Connections)
        {
            return ReadConnections();
        }

        if (OptionsSchema.IsBlock(type))
        {
            return ReadBlock(type, key, fallback);
        }

        var written = Latest(key) is not null || fallback is null ? key : fallback;
        if (Latest(written) is not { } layer)
        {
            Report(written, "has no value");
            return OptionsSchema.IsList(type) ? Array.Empty<string>() : Missing(type);
        }

        return OptionsSchema.IsList(type) ? ReadList(layer, written) : ReadScalar(property, layer, written);
    }

    private Dictionary<string, ConnectionOptions> ReadConnections()
    {
        RequireBlock(Connections);
        var connections = new Dictionary<string, ConnectionOptions>(StringComparer.Ordinal);
        foreach (var id in ChildNames(Connections))
        {
            var key = $"{Connections}:{id}";
            connections[id] = (ConnectionOptions)ReadBlock(typeof(ConnectionOptions), key, ConnectionDefaults);
        }

        return connections;
    }

    private string[] ReadList(ConfigurationLayer layer, string key)
    {
        var names = layer.ChildNames(key);
        if (names.Count == 0)
        {
            const StringSplitOptions Tidy = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
            return (layer.ValueOf(key) ?? "").Split(',', Tidy);
        }

        var elements = names.OrderBy(IndexOf).Select(name => layer.ValueOf($"{key}:{name}")).OfType<string>().ToArray();
        if (elements.Length < names.Count || names.Any(name => IndexOf(name) is null))
        {
            Report(key, "takes a list of texts such as [\"a\", \"b\"]");
        }

        return elements;
    }

    private object? ReadScalar(PropertyInfo property, ConfigurationLayer layer, string key)
    {
        var kind = ScalarKind.Of(property);
        if (layer.ChildNames(key).Count > 0 || layer.ValueOf(key) is not { } text)
        {
            Report(key, $"takes {kind.Expected}, not a block or a list");
            return Missing(property.PropertyType);
        }

        var value = kind.Parse(text);
        if (value is null)
        {
            Report(key, $"'{Shown(text)}' is not {kind.Name}; give {kind.Expected}");
            return Missing(property.PropertyType);
        }

        if (property.GetCustomAttribute<RangeAttribute>() is { } range && !range.IsValid(value))
        {
            Report(key, $"{Shown(text)} is out of range; give {kind.Expected}");
        }

        return value;
    }

    private void RequireBlock(string key)
    {
        if (Latest(key)?.ValueOf(key) is not null)
        {
            Report(key, "takes a block { }, not a value");
        }
    }

    private void ReportUnknown(Type type, string key)
    {
        foreach (var name in ChildNames(key).Where(name => !OptionsSchema.Knows(type, name)))
        {
            Report($"{key}:{name}", OptionsSchema.Hint(type, key, name));
        }
    }

    private ConfigurationLayer? Latest(string key) => layers.LastOrDefault(layer => layer.Has(key));

    private IEnumerable<string> ChildNames(string key) =>
        layers.SelectMany(layer => layer.ChildNames(key)).Distinct(StringComparer.OrdinalIgnoreCase);

    private static int? IndexOf(string name) =>
        int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : null;

    private static object? Missing(Type type) => type.IsValueType ? Activator.CreateInstance(type) : "";

    /// <summary>Only numbers, durations and words are ever shown, and not at any length.</summary>
    private static string Shown(string text) =>
        string.Concat(text.Where(c => !char.IsControl(c)).Take(40));
}
