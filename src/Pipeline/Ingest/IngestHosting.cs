using System.Globalization;
using Akka.Actor;
using Akka.Cluster.Hosting;
using Akka.Cluster.Sharding;
using Akka.Hosting;
using VarianceActors.Pipeline.Clustering;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>The registry key of the shard region of ingest actors.</summary>
public sealed class IngestRegion;

/// <summary>Wires the ingest actors: one entity and one shard for each partition.</summary>
public static class IngestHosting
{
    /// <summary>Adds the shard region and the serializer.</summary>
    public static AkkaConfigurationBuilder WithIngest(
        this AkkaConfigurationBuilder builder, Func<IActorRegistry, IngestContext> context) => builder
        .WithCustomSerializer(
            "ingest", [typeof(IngestMessage), typeof(IngestRunning)], system => new IngestSerializer(system))
        .WithShardRegion<IngestRegion>(
            "ingest",
            (_, registry, _) => entityId => Props.Create(
                () => new IngestActor(int.Parse(entityId, CultureInfo.InvariantCulture), context(registry))),
            new Extractor(),
            new ShardOptions
            {
                Role = NodeRoles.Ingest,
                RememberEntities = false,
                PassivateIdleEntityAfter = TimeSpan.Zero,
                HandOffStopMessage = IngestActor.Drain.Instance,
            });

    private sealed class Extractor : IMessageExtractor
    {
        public string EntityId(object message) => message is IngestMessage ingest
            ? ingest.Partition.ToString(CultureInfo.InvariantCulture)
            : null!;

        public object EntityMessage(object message) => message;

        public string ShardId(object message) => EntityId(message);

        public string ShardId(string entityId, object? messageHint = null) => entityId;
    }
}
