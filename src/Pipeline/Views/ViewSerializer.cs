using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Akka.Actor;

namespace VarianceActors.Pipeline.Views;

/// <summary>How messages to projectors look between nodes: JSON, under a manifest that never changes its meaning.</summary>
public sealed partial class ViewSerializer(ExtendedActorSystem system) : ManifestSerializer(system, Table)
{
    private static readonly ManifestTable Table = new(new Dictionary<string, JsonTypeInfo>
    {
        ["views.poke.v1"] = ViewJson.Default.Poke,
    });

    /// <inheritdoc />
    public override int Identifier => 7103;

    /// <summary>Every type with a manifest.</summary>
    public static IReadOnlyDictionary<Type, string> Manifests => Table.ByType;

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(ViewMessage.Poke))]
    private sealed partial class ViewJson : JsonSerializerContext;
}
