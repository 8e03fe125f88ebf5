using System.Globalization;
using VarianceActors.Host.Configuration;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Host.Commands;

/// <summary>What would run, for a person. Holds no secret, and of addresses only the host.</summary>
internal static class ConfigurationSummary
{
    /// <summary>Some lines without a final line break.</summary>
    public static string Of(PipelineOptions options, IEnumerable<string> urls)
    {
        var api = options.AdminKey.Length == 0 ? "for loopback only" : "with the admin key";
        var lines = new List<string>
        {
            "the configuration is good",
            $"listens at {string.Join(" and ", urls)}; API {api}",
            $"data in {Place(options)}, {options.Inbox.Partitions} partitions",
        };
        lines.AddRange(options.Connections
            .OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => string.Join(", ", Parts(pair.Key, pair.Value)))
            .DefaultIfEmpty("no connections"));
        return string.Join(Environment.NewLine, lines);
    }

    private static string Place(PipelineOptions options) => options.Store == StoreKind.Sqlite
        ? options.DataDir
        : PostgresAddress.Shown(options.Postgres.ConnectionString);

    private static IEnumerable<string> Parts(string id, ConnectionOptions connection)
    {
        yield return $"connection {id}: mapping {OptionsSchema.Kebab(connection.Mapping.ToString())}";
        yield return connection.Tokens.Count == 1 ? "1 token" : $"{connection.Tokens.Count} tokens";
        yield return connection.WebhookSecret.Length == 0 ? "no webhook" : "webhook";
        yield return connection.Url.Length == 0 ? "dry run (no url)" : Receiver(connection);
        if (connection.Signature.Secret.Length > 0)
        {
            yield return "signed";
        }
    }

    private static string Receiver(ConnectionOptions connection) => string.Create(
        CultureInfo.InvariantCulture,
        $"to {new Uri(connection.Url).GetLeftPart(UriPartial.Authority)} at {connection.Rate.PerSecond}/s");
}
