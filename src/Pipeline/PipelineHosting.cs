using System.Collections.Frozen;
using System.Reflection;
using Akka;
using Akka.Actor;
using Akka.Cluster.Sharding;
using Akka.Configuration;
using Akka.Event;
using Akka.Hosting;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Clustering;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Ingest;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Metering;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>What the pipeline of a node is made of.</summary>
/// <param name="Options">The configuration.</param>
/// <param name="Database">Inbox, outbox, ledger, dead letters.</param>
/// <param name="Layout">How the work is cut.</param>
/// <param name="Time">The clock.</param>
/// <param name="Started">Cancelled when the node has started: the pipeline begins to work then.</param>
public sealed record PipelineParts(
    PipelineOptions Options,
    PipelineDatabase Database,
    PipelineLayout Layout,
    TimeProvider Time,
    CancellationToken Started)
{
    /// <summary>The metrics of the node.</summary>
    public required PipelineMeter Meter { get; init; }

    /// <summary>Notices that the node is lost.</summary>
    public NodeWatch Watch { get; init; } = NodeWatch.OfOneNode;

    /// <summary>The erased ids, as far as the node knows them.</summary>
    public ErasedIds Erased { get; } = new();
}

/// <summary>Wires the whole pipeline of a node, for the host and for the tests alike.</summary>
public static class PipelineHosting
{
    /// <summary>What is not over by then ends with the regions' own shutdown.</summary>
    private static readonly TimeSpan StepPatience = TimeSpan.FromSeconds(4);

    /// <summary>The default configuration in <c>hocon/</c> under <paramref name="name"/>, such as <c>akka.conf</c>.</summary>
    public static string ReadHocon(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"hocon/{name}")
            ?? throw new ArgumentException($"There is no hocon/{name}.", nameof(name));
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>Adds persons, ingest, delivery and the pulse, as far as the node has their roles.</summary>
    public static AkkaConfigurationBuilder WithPipeline(this AkkaConfigurationBuilder builder, PipelineParts parts)
    {
        var map = EventMapping.For(parts.Options);
        return builder
            .AddHocon(ConfigurationFactory.ParseString(ReadHocon("akka.conf")), HoconAddMode.Append)
            .WithNode(parts.Options.Cluster, parts.Database, parts.Watch)
            .WithJournal(parts.Options)
            .WithPeople(
                parts.Options.People,
                map,
                UnfinishedMerges.In(parts.Database, parts.Layout, parts.Time),
                RulesOf(parts.Options),
                registry => registry.Get<AccountsRegion>(),
                ErasedHomes.Of(parts))
            .WithAccounts(registry => AccountsOf(registry, parts), parts.Options.Accounts)
            .WithIngest(registry => new IngestContext(
                parts.Database,
                parts.Layout,
                parts.Options.Ingest,
                map,
                registry.Get<PeopleRegion>(),
                WakeDelivery(registry.Get<DeliveryRegion>(), parts.Layout),
                ViewsHosting.RulesOf(parts),
                WakeViews(registry.Get<ViewsRegion>(), parts.Layout),
                parts.Time)
            {
                Erased = parts.Erased,
            })
            .WithDelivery(parts)
            .WithViews(parts)
            .WithActors((system, registry) => StopInOrder(
                system, registry, system.ActorOf(Props.Create(() => new Pulse(registry, parts)), "pulse")))
            .WithActors((system, registry) => system.ActorOf(WakerProps(registry.Get<PeopleRegion>(), parts), "merge-waker"))
            .WithActors((system, registry) => system.ActorOf(UndosProps(registry.Get<PeopleRegion>(), parts), "unfinished-undos"))
            .WithActors((system, registry) => system.ActorOf(
                AccountMergesProps(registry.Get<AccountsRegion>(), registry.Get<PeopleRegion>(), parts), "unfinished-account-merges"))
            .WithActors((system, _) => system.ActorOf(Props.Create(() => new Retention(parts)), "retention"))
            .WithActors((system, registry) => system.ActorOf(
                SweepProps(registry.Get<PeopleRegion>(), registry.Get<AccountsRegion>(), parts), "stage-sweep"))
            .WithActors((system, _) => system.ActorOf(Props.Create(() => new BooksWatch(parts)), "books-watch"))
            .WithActors((system, registry) => registry.Register<DeadLetterJobs>(
                system.ActorOf(JobsProps(registry.Get<DeliveryRegion>(), parts), "dead-letter-jobs")))
            .WithActors((system, registry) => registry.Register<ErasureRunner>(
                system.ActorOf(Props.Create(() => new ErasureRunner(parts, registry)), "erasures")));
    }

    /// <summary>Adds only what reads the journal; no cluster, no actors.</summary>
    public static AkkaConfigurationBuilder WithJournalToRead(
        this AkkaConfigurationBuilder builder, PipelineOptions options) => builder
        .AddHocon(ConfigurationFactory.ParseString("akka.actor.provider = local"), HoconAddMode.Prepend)
        .AddHocon(ConfigurationFactory.ParseString(ReadHocon("akka.conf")), HoconAddMode.Append)
        .WithJournal(options)
        .WithPersonSerializer()
        .WithAccountSerializer();

    private static Func<string, PersonRules> RulesOf(PipelineOptions options)
    {
        var rules = options.Connections.ToFrozenDictionary(
            connection => connection.Key,
            connection => connection.Value.ToRules(options.People.UpdateAllProperties));
        return connectionId => rules[connectionId];
    }

    private static AccountShell AccountsOf(IActorRegistry registry, PipelineParts parts)
    {
        var stages = parts.Options.Connections.ToFrozenDictionary(
            connection => connection.Key,
            connection => connection.Value.ToContactRules().AccountStages);
        var outbox = new AccountOutbox(
            parts.Database,
            parts.Layout,
            EventMapping.ForAccounts(parts.Options),
            (number, partition) => WakeDelivery(registry.Get<DeliveryRegion>(), parts.Layout)(number, partition),
            parts.Options.Views.Enabled,
            (number, partition) => WakeViews(registry.Get<ViewsRegion>(), parts.Layout)(number, partition),
            parts.Time);
        return new AccountShell(
            parts.Options.Accounts,
            connectionId => stages[connectionId],
            outbox.SendAsync,
            () => registry.Get<AccountsRegion>())
        {
            Erased = ErasedHomes.Of(parts),
        };
    }

    private static Props WakerProps(IActorRef people, PipelineParts parts) =>
        Props.Create(() => new MergeWaker(people, parts.Database, parts.Layout, parts.Time));

    private static Props UndosProps(IActorRef people, PipelineParts parts) =>
        Props.Create(() => new UnfinishedUndos(parts, people));

    private static Props AccountMergesProps(IActorRef accounts, IActorRef people, PipelineParts parts) =>
        Props.Create(() => new UnfinishedAccountMerges(parts, accounts, people));

    private static Props SweepProps(IActorRef people, IActorRef accounts, PipelineParts parts) =>
        Props.Create(() => new StageSweep(parts, people, accounts));

    private static Props JobsProps(IActorRef delivery, PipelineParts parts) =>
        Props.Create(() => new DeadLetterJobs(parts, delivery));

    private static Action<int, int> WakeDelivery(IActorRef delivery, PipelineLayout layout) => (connection, partition) =>
        delivery.Tell(new DeliveryMessage.Poke(new DeliveryId(layout.ConnectionByNumber[connection], partition)));

    private static Action<int, int> WakeViews(IActorRef views, PipelineLayout layout) => (connection, partition) =>
        views.Tell(new ViewMessage.Poke(new DeliveryId(layout.ConnectionByNumber[connection], partition)));

    /// <summary>
    /// The way of the data, top to bottom: each stage finishes when nobody sends to it any more. All at once, the regions would
    /// keep messages for shards that have gone already, and the node would wait for homes that nobody gives.
    /// </summary>
    private static void StopInOrder(ActorSystem system, IReadOnlyActorRegistry registry, IActorRef pulse) =>
        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseServiceStop, "pipeline", async () =>
        {
            var log = Logging.GetLogger(system, typeof(PipelineHosting));
            await StopAsync(pulse, PoisonPill.Instance, log);
            await StopAsync(registry.Get<IngestRegion>(), GracefulShutdown.Instance, log);
            await StopAsync(registry.Get<PeopleRegion>(), GracefulShutdown.Instance, log);
            await Task.WhenAll(
                StopAsync(registry.Get<AccountsRegion>(), GracefulShutdown.Instance, log),
                StopAsync(registry.Get<DeliveryRegion>(), GracefulShutdown.Instance, log));
            await Task.WhenAll(
                StopAsync(registry.Get<ConnectionRegion>(), GracefulShutdown.Instance, log),
                StopAsync(registry.Get<ViewsRegion>(), GracefulShutdown.Instance, log));
            return Done.Instance;
        });

    // One that takes too long must not keep the others from stopping in order.
    private static async Task StopAsync(IActorRef stage, object stop, ILoggingAdapter log)
    {
        try
        {
            await stage.GracefulStop(StepPatience, stop);
        }
        catch (TaskCanceledException)
        {
            log.Warning("{Stage} has not stopped within {Patience}; the others stop without it.", stage.Path.Name, StepPatience);
        }
    }
}
