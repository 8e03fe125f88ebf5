using Akka.Actor;
using Akka.Cluster.Hosting;
using Akka.Cluster.Sharding;
using Akka.Hosting;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>The registry key of the shard region of delivery actors.</summary>
public sealed class DeliveryRegion;

/// <summary>Wires the delivery actors: one entity and one shard for each connection and delivery partition.</summary>
public static class DeliveryHosting
{
    /// <summary>Adds the shard region and the serializer.</summary>
    public static AkkaConfigurationBuilder WithDelivery(this AkkaConfigurationBuilder builder, PipelineParts parts) => builder
        .WithCustomSerializer("delivery", [typeof(DeliveryMessage)], system => new DeliverySerializer(system))
        .WithShardRegion<DeliveryRegion>(
            "delivery",
            (system, registry, _) => EntityProps(system, registry, parts),
            new Extractor(),
            new ShardOptions
            {
                RememberEntities = false,
                PassivateIdleEntityAfter = TimeSpan.Zero,
                HandOffStopMessage = DeliveryActor.Drain.Instance,
            });

    private static Func<string, Props> EntityProps(ActorSystem system, IActorRegistry registry, PipelineParts parts)
    {
        var receivers = new Receivers(system, parts.Options, parts.Time, parts.Log);
        system.RegisterOnTermination(receivers.Dispose);
        var context = new DeliveryContext(
            parts.Database,
            parts.Layout,
            parts.Options.Delivery,
            receivers.For,
            id => registry.Get<DeliveryRegion>().Tell(new DeliveryMessage.Poke(id)))
        {
            Meter = parts.Meter,
        };
        return entityId => Props.Create(() => new DeliveryActor(DeliveryId.Parse(entityId), context));
    }

    private sealed class Extractor : IMessageExtractor
    {
        public string EntityId(object message) => message is DeliveryMessage delivery ? delivery.Id.ToString() : null!;

        public object EntityMessage(object message) => message;

        public string ShardId(object message) => EntityId(message);

        public string ShardId(string entityId, object? messageHint = null) => entityId;
    }
}
