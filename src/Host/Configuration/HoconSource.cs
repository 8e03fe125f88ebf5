using System.Text;
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
            return Broken(path, "there is no such file; check the path given to --config");
        }

        if (file.Length > FileBytesMax)
        {
            return Broken(path, $"the file is larger than {FileBytesMax} bytes; is it a configuration?");
        }

        try
        {
            return FromText(File.ReadAllText(path, Encoding.UTF8), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Broken(path, "the file cannot be read; check its permissions");
        }
    }

    /// <summary>HOCON text that faults call by this name. Text that is not HOCON is a fault of the layer.</summary>
    public static ConfigurationLayer FromText(string text, string name)
    {
        try
        {
            return new ConfigurationLayer(HoconReader.Read(text, name), []);
        }
        catch (HoconException e)
        {
            return Broken($"{name}:{e.Line}", e.Message);
        }
    }

    private static ConfigurationLayer Broken(string place, string message) =>
        new([], [new ConfigurationFault(place, message, "")]);
}
