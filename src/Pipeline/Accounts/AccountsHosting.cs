using Akka.Actor;
using Akka.Cluster.Hosting;
using Akka.Cluster.Sharding;
using Akka.Hosting;
using VarianceActors.Pipeline.Clustering;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>The registry's key of the shard region that holds all accounts.</summary>
public sealed class AccountsRegion
{
    private AccountsRegion()
    {
    }
}

/// <summary>Reads from a message which account it goes to.</summary>
public sealed class AccountExtractor(int shards) : HashCodeMessageExtractor(shards)
{
    /// <inheritdoc />
    public override string? EntityId(object message) => (message as IAccountMessage)?.To.EntityId;
}

/// <summary>Wires accounts into an actor system.</summary>
public static class AccountsHosting
{
    /// <summary>The type name of the shard region.</summary>
    public const string RegionName = "accounts";

    /// <summary>Adds the serializer and the shard region of accounts; needs clustering and a journal.</summary>
    public static AkkaConfigurationBuilder WithAccounts(
        this AkkaConfigurationBuilder builder,
        Func<IActorRegistry, AccountShell> shell,
        AccountsOptions options) => builder
        .WithAccountSerializer()
        .WithShardRegion<AccountsRegion>(
            RegionName,
            (_, registry, _) => Entities(shell(registry)),
            new AccountExtractor(options.Shards),
            new ShardOptions
            {
                Role = NodeRoles.People,
                PassivateIdleEntityAfter = options.IdleTimeout,
                RememberEntities = false,
            });

    /// <summary>Adds the serializer of accounts.</summary>
    public static AkkaConfigurationBuilder WithAccountSerializer(this AkkaConfigurationBuilder builder) =>
        builder.WithCustomSerializer("account", AccountSerializer.Manifests.Keys, system => new AccountSerializer(system));

    private static Func<string, Props> Entities(AccountShell shell) =>
        entityId => Props.Create(() => new AccountActor(entityId, shell));
}
