using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Akka.Configuration;
using Akka.Configuration.Hocon;
using VarianceActors.Pipeline;

namespace VarianceActors.Host.Configuration;

/// <summary>Layers from HOCON: the built-in <c>pipeline.conf</c> and the files of the user.</summary>
public static class HoconSource
{
    private const string BuiltInName = "hocon/pipeline.conf";
    private const int FileBytesMax = 4 * 1024 * 1024;

    /// <summary>The defaults: <c>hocon/pipeline.conf</c> as it was built in.</summary>
    public static ConfigurationLayer BuiltIn()
    {
        using var stream = typeof(PipelineOptions).Assembly.GetManifestResourceStream(BuiltInName)
            ?? throw new InvalidOperationException($"{BuiltInName} is not built in.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return FromText(reader.ReadToEnd(), BuiltInName);
    }

    /// <summary>A file of the user. A file that cannot be read is a fault of the layer.</summary>
    public static ConfigurationLayer FromFile(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            return Broken(path, "there is no such file; check the path given to --config", "");
        }

        if (file.Length > FileBytesMax)
        {
            return Broken(path, $"the file is larger than {FileBytesMax} bytes; is it a configuration?", "");
        }

        try
        {
            return FromText(File.ReadAllText(path, Encoding.UTF8), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Broken(path, "the file cannot be read; check its permissions", "");
        }
    }

    /// <summary>HOCON text; faults name it <paramref name="name"/>. Text that is not HOCON is a fault of the layer.</summary>
    public static ConfigurationLayer FromText(string text, string name)
    {
        var check = HoconSyntax.Check(text);
        if (check.Error is not null)
        {
            return Broken(name, check.Error, $"{name}:{check.ErrorLine}");
        }

        try
        {
            var root = ConfigurationFactory.ParseString(text).Root;
            return new ConfigurationLayer(Settings(root, "", key => Origin(name, check.Lines, key)), []);
        }
        catch (FormatException)
        {
            return Broken(name, "a ${...} has no value; set that environment variable, or write ${?...} if it may be unset", "");
        }
        catch (ConfigurationException)
        {
            return Broken(name, "the file cannot be read as HOCON; put values with special characters in double quotes", "");
        }
    }

    private static IEnumerable<Setting> Settings(HoconValue value, string key, Func<string, string> origin)
    {
        if (value.IsObject())
        {
            var items = value.GetObject().Items;
            return items.Count == 0 && key.Length > 0
                ? [new Setting(key, null, origin(key))]
                : items.SelectMany(item => Settings(item.Value, Join(key, item.Key), origin));
        }

        if (value.IsArray())
        {
            var elements = value.GetArray();
            return elements.Count == 0
                ? [new Setting(key, "", origin(key))]
                : elements.Select((element, i) => Element(element, Join(key, i.ToString(CultureInfo.InvariantCulture)), origin(key)));
        }

        return key.Length == 0 ? [] : [new Setting(key, value.IsString() ? value.GetString() ?? "" : "", origin(key))];
    }

    private static Setting Element(HoconValue element, string key, string origin) =>
        new(key, element.IsString() ? element.GetString() ?? "" : null, origin);

    private static string Join(string key, string name) => key.Length == 0 ? name : $"{key}:{name}";

    private static string Origin(string name, ImmutableDictionary<string, int> lines, string key) =>
        lines.TryGetValue(key, out var line) ? $"{name}:{line}" : name;

    private static ConfigurationLayer Broken(string name, string message, string origin) =>
        new([], [new ConfigurationFault(name, message, origin)]);
}
