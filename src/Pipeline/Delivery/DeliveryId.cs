using System.Globalization;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>One slice of a connection's messages: the entity that delivers them.</summary>
/// <param name="ConnectionId">The connection; its id holds no dot.</param>
/// <param name="Partition">The delivery partition, from 0.</param>
public readonly record struct DeliveryId(string ConnectionId, int Partition)
{
    /// <summary>The sharding entity id, such as <c>acme.3</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{ConnectionId}.{Partition}");

    /// <summary>Reads what <see cref="ToString"/> wrote.</summary>
    public static DeliveryId Parse(string entityId)
    {
        var dot = entityId.LastIndexOf('.');
        return new DeliveryId(entityId[..dot], int.Parse(entityId.AsSpan(dot + 1), CultureInfo.InvariantCulture));
    }
}
