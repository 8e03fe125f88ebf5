using System.Collections.Frozen;
using Akka.Actor;
using Akka.Cluster.Hosting;
using Akka.Cluster.Sharding;
using Akka.Hosting;
using VarianceActors.Pipeline.Delivery;

namespace VarianceActors.Pipeline.Views;

/// <summary>The registry key of the shard region of projectors.</summary>
public sealed class ViewsRegion;

/// <summary>Wires the projectors, one entity and one shard for each connection and delivery partition.</summary>
public static class ViewsHosting
{
    /// <summary>Adds the shard region and the serializer.</summary>
    public static AkkaConfigurationBuilder WithViews(this AkkaConfigurationBuilder builder, PipelineParts parts)
    {
        var turns = parts.Layout.NumberByConnection.Keys.ToFrozenDictionary(
            connection => connection, _ => new SemaphoreSlim(1), StringComparer.Ordinal);
        return builder
            .WithCustomSerializer("views", [typeof(ViewMessage)], system => new ViewSerializer(system))
            .WithShardRegion<ViewsRegion>(
                "views",
                (_, _, _) => entityId => ProjectorProps(DeliveryId.Parse(entityId), parts, turns),
                new Extractor(),
                new ShardOptions { RememberEntities = false, PassivateIdleEntityAfter = TimeSpan.Zero });
    }

    /// <summary>What the views take from a connection, by its number; null where there are none.</summary>
    public static Func<int, ViewRules?> RulesOf(PipelineParts parts)
    {
        if (!parts.Options.Views.Enabled)
        {
            return _ => null;
        }

        var rules = parts.Layout.NumberByConnection.ToFrozenDictionary(
            connection => connection.Value,
            connection => new ViewRules(parts.Options.Connections[connection.Key]));
        return rules.GetValueOrDefault;
    }

    private static Props ProjectorProps(
        DeliveryId id, PipelineParts parts, FrozenDictionary<string, SemaphoreSlim> turns)
    {
        var turn = turns[id.ConnectionId];
        return Props.Create(() => new ViewProjector(id, parts, turn));
    }

    private sealed class Extractor : IMessageExtractor
    {
        public string EntityId(object message) => message is ViewMessage view ? view.Id.ToString() : null!;

        public object EntityMessage(object message) => message;

        public string ShardId(object message) => EntityId(message);

        public string ShardId(string entityId, object? messageHint = null) => entityId;
    }
}
