using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Akka.Actor;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>How delivery messages look between nodes: JSON, each type under a manifest that never changes its meaning.</summary>
public sealed partial class DeliverySerializer(ExtendedActorSystem system) : ManifestSerializer(system, Table)
{
    private static readonly ManifestTable Table = new(new Dictionary<string, JsonTypeInfo>
    {
        ["delivery.poke.v1"] = DeliveryJson.Default.Poke,
        ["delivery.settle.v1"] = DeliveryJson.Default.Settle,
        ["delivery.settled.v1"] = DeliveryJson.Default.SliceSettled,
        ["delivery.report.v1"] = DeliveryJson.Default.SliceReport,
        ["delivery.pause.v1"] = DeliveryJson.Default.PauseDelivery,
        ["delivery.resume.v1"] = DeliveryJson.Default.ResumeDelivery,
        ["delivery.change-rate.v1"] = DeliveryJson.Default.ChangeRate,
        ["delivery.get-delivery.v1"] = DeliveryJson.Default.GetDelivery,
        ["delivery.permits-granted.v1"] = DeliveryJson.Default.PermitsGranted,
        ["delivery.status.v1"] = DeliveryJson.Default.DeliveryStatus,
    });

    /// <inheritdoc />
    public override int Identifier => 7102;

    /// <summary>Every type with a manifest.</summary>
    public static IReadOnlyDictionary<Type, string> Manifests => Table.ByType;

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(DeliveryMessage.Poke))]
    [JsonSerializable(typeof(DeliveryMessage.Settle))]
    [JsonSerializable(typeof(SliceSettled))]
    [JsonSerializable(typeof(ConnectionMessage.SliceReport))]
    [JsonSerializable(typeof(ConnectionMessage.PauseDelivery))]
    [JsonSerializable(typeof(ConnectionMessage.ResumeDelivery))]
    [JsonSerializable(typeof(ConnectionMessage.ChangeRate))]
    [JsonSerializable(typeof(ConnectionMessage.GetDelivery))]
    [JsonSerializable(typeof(PermitsGranted))]
    [JsonSerializable(typeof(DeliveryStatus))]
    private sealed partial class DeliveryJson : JsonSerializerContext;
}
