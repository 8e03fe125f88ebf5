using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Akka.Actor;
using Akka.Serialization;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>How delivery messages look between nodes: JSON, each type under a manifest that never changes its meaning.</summary>
public sealed partial class DeliverySerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private static readonly FrozenDictionary<string, JsonTypeInfo> TypeByManifest = new Dictionary<string, JsonTypeInfo>
    {
        ["delivery.poke.v1"] = DeliveryJson.Default.Poke,
        ["delivery.report.v1"] = DeliveryJson.Default.SliceReport,
        ["delivery.pause.v1"] = DeliveryJson.Default.PauseDelivery,
        ["delivery.resume.v1"] = DeliveryJson.Default.ResumeDelivery,
        ["delivery.change-rate.v1"] = DeliveryJson.Default.ChangeRate,
        ["delivery.get-delivery.v1"] = DeliveryJson.Default.GetDelivery,
        ["delivery.permits-granted.v1"] = DeliveryJson.Default.PermitsGranted,
        ["delivery.status.v1"] = DeliveryJson.Default.DeliveryStatus,
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<Type, string> ManifestByType =
        TypeByManifest.ToFrozenDictionary(pair => pair.Value.Type, pair => pair.Key);

    /// <inheritdoc />
    public override int Identifier => 7102;

    /// <summary>The manifests, and the type that each stands for.</summary>
    public static IReadOnlyDictionary<string, Type> Manifests { get; } =
        TypeByManifest.ToFrozenDictionary(pair => pair.Key, pair => pair.Value.Type);

    /// <inheritdoc />
    public override string Manifest(object o) => ManifestByType[o.GetType()];

    /// <inheritdoc />
    public override byte[] ToBinary(object obj) =>
        JsonSerializer.SerializeToUtf8Bytes(obj, TypeByManifest[Manifest(obj)]);

    /// <inheritdoc />
    public override object FromBinary(byte[] bytes, string manifest) =>
        JsonSerializer.Deserialize(bytes, TypeByManifest[manifest])!;

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(DeliveryMessage.Poke))]
    [JsonSerializable(typeof(ConnectionMessage.SliceReport))]
    [JsonSerializable(typeof(ConnectionMessage.PauseDelivery))]
    [JsonSerializable(typeof(ConnectionMessage.ResumeDelivery))]
    [JsonSerializable(typeof(ConnectionMessage.ChangeRate))]
    [JsonSerializable(typeof(ConnectionMessage.GetDelivery))]
    [JsonSerializable(typeof(PermitsGranted))]
    [JsonSerializable(typeof(DeliveryStatus))]
    private sealed partial class DeliveryJson : JsonSerializerContext;
}
