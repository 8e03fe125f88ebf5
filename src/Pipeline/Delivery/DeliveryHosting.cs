using Akka.Actor;
using Akka.Cluster.Hosting;
using Akka.Cluster.Sharding;
using Akka.Hosting;
using VarianceActors.Pipeline.Clustering;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>The registry key of the shard region of delivery actors.</summary>
public sealed class DeliveryRegion;

/// <summary>The registry key of the shard region of the connections' gates.</summary>
public sealed class ConnectionRegion;

/// <summary>Wires the delivery actors, one entity and one shard for each connection and delivery partition, and the gates, one
/// for each connection.</summary>
public static class DeliveryHosting
{
    /// <summary>Adds the shard regions and the serializer.</summary>
    public static AkkaConfigurationBuilder WithDelivery(this AkkaConfigurationBuilder builder, PipelineParts parts) => builder
        .WithCustomSerializer(
            "delivery",
            [
                typeof(DeliveryMessage), typeof(SliceSettled), typeof(ConnectionMessage), typeof(PermitsGranted),
                typeof(DeliveryStatus),
            ],
            system => new DeliverySerializer(system))
        .WithShardRegion<ConnectionRegion>(
            "connections",
            (_, _, _) => connectionId => Props.Create(() => new ConnectionActor(connectionId, parts)),
            new ConnectionExtractor(),
            new ShardOptions
            {
                Role = NodeRoles.Delivery,
                RememberEntities = false,
                PassivateIdleEntityAfter = TimeSpan.Zero,
                HandOffStopMessage = ConnectionActor.Drain.Instance,
            })
        .WithShardRegion<DeliveryRegion>(
            "delivery",
            (system, registry, _) => EntityProps(system, registry, parts),
            new Extractor(),
            new ShardOptions
            {
                Role = NodeRoles.Delivery,
                RememberEntities = false,
                PassivateIdleEntityAfter = TimeSpan.Zero,
                HandOffStopMessage = DeliveryActor.Drain.Instance,
            });

    private static Func<string, Props> EntityProps(ActorSystem system, IActorRegistry registry, PipelineParts parts)
    {
        var receivers = new Receivers(parts.Options, parts.Time, () => parts.Watch.RanAllTheTime);
        system.RegisterOnTermination(receivers.Dispose);
        var random = new Random();
        var context = new DeliveryContext(
            parts.Database,
            parts.Layout,
            parts.Options.Delivery,
            receivers,
            id => registry.Get<DeliveryRegion>().Tell(new DeliveryMessage.Poke(id)),
            registry.Get<ConnectionRegion>(),
            parts.Time,
            () => Draw(random))
        {
            Meter = parts.Meter,
            Erased = parts.Erased,
        };
        return entityId => Props.Create(() => new DeliveryActor(DeliveryId.Parse(entityId), context));
    }

    private static double Draw(Random random)
    {
        lock (random)
        {
            return random.NextDouble();
        }
    }

    private sealed class ConnectionExtractor : IMessageExtractor
    {
        public string EntityId(object message) => message is ConnectionMessage connection ? connection.ConnectionId : null!;

        public object EntityMessage(object message) => message;

        public string ShardId(object message) => EntityId(message);

        public string ShardId(string entityId, object? messageHint = null) => entityId;
    }

    private sealed class Extractor : IMessageExtractor
    {
        public string EntityId(object message) => message is DeliveryMessage delivery ? delivery.Id.ToString() : null!;

        public object EntityMessage(object message) => message;

        public string ShardId(object message) => EntityId(message);

        public string ShardId(string entityId, object? messageHint = null) => entityId;
    }
}
