using System.Reflection;
using VarianceActors.Pipeline;

namespace VarianceActors.Host.Configuration;

/// <summary>The keys that exist: the options' properties in kebab-case.</summary>
internal static class OptionsSchema
{
    /// <summary>How a connection is written in a hint that is about any of them.</summary>
    private const string AnyConnection = "ID";

    /// <summary>The properties that are keys, in the order of their declaration.</summary>
    public static IEnumerable<PropertyInfo> Properties(Type type) =>
        type.GetProperties().Where(property => property.CanWrite);

    /// <summary>The key of a property: <c>PerSecond</c> is <c>per-second</c>.</summary>
    public static string KeyOf(PropertyInfo property) => Kebab(property.Name);

    /// <summary>The HOCON path of a key with colons.</summary>
    public static string Path(string key) => key.Replace(':', '.');

    /// <summary>Whether the property is a block with keys of its own.</summary>
    public static bool IsBlock(Type type) =>
        type.IsClass && type.Namespace!.StartsWith("VarianceActors.", StringComparison.Ordinal);

    /// <summary>Whether the property is a list of texts.</summary>
    public static bool IsList(Type type) => type == typeof(IReadOnlyList<string>);

    /// <summary>Whether a block has this key.</summary>
    public static bool Knows(Type type, string name) =>
        Properties(type).Any(property => KeyOf(property).Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>What to say of a key that a block does not have.</summary>
    public static string Hint(Type type, string key, string name)
    {
        var near = Properties(type).Select(KeyOf)
            .Select(known => (known, distance: Distance(known, name.ToLowerInvariant())))
            .Where(candidate => candidate.distance <= Math.Max(2, name.Length / 3))
            .OrderBy(candidate => candidate.distance)
            .Select(candidate => $"{key}:{candidate.known}")
            .FirstOrDefault();
        var meant = near ?? Find(type, key, name) ?? Find(typeof(PipelineOptions), "variance", name);
        return meant is null
            ? $"unknown key; known here: {string.Join(", ", Properties(type).Select(KeyOf))}"
            : $"unknown key; did you mean {Path(meant)}?";
    }

    /// <summary>Words in Pascal case with hyphens: <c>DataDir</c> is <c>data-dir</c>.</summary>
    public static string Kebab(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) && i > 0 ? $"-{c}" : $"{c}")).ToLowerInvariant();

    private static string? Find(Type type, string key, string name)
    {
        if (Knows(type, name))
        {
            return $"{key}:{name}";
        }

        return Properties(type)
            .Select(property => property.PropertyType == typeof(Dictionary<string, ConnectionOptions>)
                ? Find(typeof(ConnectionOptions), $"{key}:{KeyOf(property)}:{AnyConnection}", name)
                : IsBlock(property.PropertyType) ? Find(property.PropertyType, $"{key}:{KeyOf(property)}", name) : null)
            .FirstOrDefault(found => found is not null);
    }

    /// <summary>How many letters to change, add or drop (Levenshtein).</summary>
    private static int Distance(string from, string to)
    {
        var row = Enumerable.Range(0, to.Length + 1).ToArray();
        for (var i = 1; i <= from.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= to.Length; j++)
            {
                var substituted = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substituted, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[to.Length];
    }
}
