using VarianceActors.Pipeline.Delivery;

namespace VarianceActors.Pipeline.Views;

/// <summary>What may be said to the projector of a slice, from anywhere in the cluster.</summary>
public abstract record ViewMessage
{
    private ViewMessage(DeliveryId id) => Id = id;

    /// <summary>The slice: connection and delivery partition.</summary>
    public DeliveryId Id { get; }

    /// <summary>There may be something to learn: look. Also starts the projector if it is not running. May be lost or
    /// repeated.</summary>
    public sealed record Poke : ViewMessage
    {
        /// <summary>To the projector of a slice.</summary>
        public Poke(DeliveryId id)
            : base(id)
        {
        }
    }
}

/// <summary>A step of a projector is on disk.</summary>
/// <param name="Position">Up to where the feed is folded in.</param>
/// <param name="Entries">How many entries it took.</param>
internal sealed record ViewsMoved(long Position, int Entries);
