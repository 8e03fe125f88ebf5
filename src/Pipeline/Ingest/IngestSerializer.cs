using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Akka.Actor;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>How ingest messages look between nodes: JSON, each type under a manifest that never changes its meaning.</summary>
public sealed partial class IngestSerializer(ExtendedActorSystem system) : ManifestSerializer(system, Table)
{
    private static readonly ManifestTable Table = new(new Dictionary<string, JsonTypeInfo>
    {
        ["ingest.poke.v1"] = IngestJson.Default.Poke,
        ["ingest.get-running.v1"] = IngestJson.Default.GetRunning,
        ["ingest.running.v1"] = IngestJson.Default.IngestRunning,
    });

    /// <inheritdoc />
    public override int Identifier => 7101;

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(IngestMessage.Poke))]
    [JsonSerializable(typeof(IngestMessage.GetRunning))]
    [JsonSerializable(typeof(IngestRunning))]
    private sealed partial class IngestJson : JsonSerializerContext;
}
