using Akka.Actor;
using Akka.Cluster.Hosting;
using Akka.Cluster.Sharding;
using Akka.Hosting;
using VarianceActors.Pipeline.Clustering;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Mapping;

namespace VarianceActors.Pipeline.People;

/// <summary>The registry's key of the shard region that holds all persons.</summary>
public sealed class PeopleRegion
{
    private PeopleRegion()
    {
    }
}

/// <summary>Reads from a message which home it goes to.</summary>
public sealed class PersonExtractor(int shards) : HashCodeMessageExtractor(shards)
{
    /// <inheritdoc />
    public override string? EntityId(object message) => (message as IPersonMessage)?.To.EntityId;
}

/// <summary>Wires persons into an actor system.</summary>
public static class PeopleHosting
{
    /// <summary>The type name of the shard region.</summary>
    public const string RegionName = "people";

    /// <summary>Adds the serializer and the shard region of persons; needs clustering and a journal.</summary>
    /// <param name="builder">The actor system.</param>
    /// <param name="options">How persons are kept.</param>
    /// <param name="mapping">A connection's mapping, by connection id.</param>
    /// <param name="unfinished">The homes that must be woken after a crash.</param>
    /// <param name="rules">A connection's rules of identity, by connection id; PostHog's own if null.</param>
    /// <param name="accounts">The region of accounts; null: nobody is told of contacts.</param>
    /// <param name="erased">Who was erased; nobody if null.</param>
    public static AkkaConfigurationBuilder WithPeople(
        this AkkaConfigurationBuilder builder,
        PeopleOptions options,
        Func<string, MapEvent> mapping,
        UnfinishedMerges unfinished,
        Func<string, PersonRules>? rules = null,
        Func<IActorRegistry, IActorRef>? accounts = null,
        ErasedHomes? erased = null) => builder
        .WithPersonSerializer()
        .WithShardRegion<PeopleRegion>(
            RegionName,
            (_, registry, _) => Entities(new PersonShell(
                options,
                rules ?? (_ => PersonRules.Posthog),
                mapping,
                unfinished,
                () => registry.Get<PeopleRegion>(),
                () => accounts?.Invoke(registry))
            {
                Erased = erased ?? ErasedHomes.None,
            }),
            new PersonExtractor(options.Shards),
            new ShardOptions
            {
                Role = NodeRoles.People,
                HandOffStopMessage = PersonActor.Retire.Instance,
                PassivateIdleEntityAfter = options.IdleTimeout,
                RememberEntities = false,
            });

    /// <summary>Adds the serializer only: for nodes that talk to persons and hold none.</summary>
    public static AkkaConfigurationBuilder WithPersonSerializer(this AkkaConfigurationBuilder builder) =>
        builder.WithCustomSerializer("person", PersonSerializer.Manifests.Keys, system => new PersonSerializer(system));

    private static Func<string, Props> Entities(PersonShell shell) =>
        entityId => Props.Create(() => new PersonActor(entityId, shell));
}
