using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>How messages wait for delivery: the block <c>variance.outbox</c>.</summary>
public sealed class OutboxOptions
{
    /// <summary>Delivery partitions per connection; fixed in the database at its first start.</summary>
    [Range(1, 256)]
    public int DeliveryPartitions { get; set; }
}
