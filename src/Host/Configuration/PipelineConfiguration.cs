using System.Collections.Immutable;
using VarianceActors.Pipeline;

namespace VarianceActors.Host.Configuration;

/// <summary>Turns layers of configuration into options, or into everything that is wrong with them.</summary>
public static class PipelineConfiguration
{
    /// <summary>Lays each layer over those before it. The first one is <see cref="HoconSource.BuiltIn"/>.</summary>
    public static ConfigurationReading Read(params IReadOnlyList<ConfigurationLayer> layers)
    {
        var reader = new OptionsReader(layers);
        var options = reader.Read();
        var unreadable = reader.Faults.Select(fault => fault.Path).ToHashSet(StringComparer.OrdinalIgnoreCase);
        OptionsRules.Check(options, (key, message) =>
        {
            if (!unreadable.Contains(OptionsSchema.Path(key)))
            {
                reader.Report(key, message);
            }
        });
        return reader.Faults.Count == 0
            ? new ConfigurationReading(options, [])
            : new ConfigurationReading(null, [.. reader.Faults]);
    }

    /// <summary>Lays a text over the defaults, for a node inside another program.</summary>
    /// <exception cref="InvalidOperationException">The text has faults; the message lists all of them.</exception>
    public static PipelineOptions ReadText(string text)
    {
        var reading = Read(HoconSource.BuiltIn(), HoconSource.FromText(text, "text"));
        return reading.Options ?? throw new InvalidOperationException(string.Join(Environment.NewLine, reading.Faults));
    }
}

/// <summary>What became of a configuration.</summary>
/// <param name="Options">Complete and checked; null if there are faults.</param>
/// <param name="Faults">All that is wrong; empty if there are options.</param>
public sealed record ConfigurationReading(PipelineOptions? Options, ImmutableArray<ConfigurationFault> Faults);
