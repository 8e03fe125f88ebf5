using System.Text;
using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Hosting;
using Akka.Configuration;
using Akka.Hosting;
using Akka.Remote.Hosting;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using VarianceActors.Pipeline.Clustering;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Tests.Stores;

namespace VarianceActors.Pipeline.Tests.People;

/// <summary>A cluster of one with a journal, wired as in production.</summary>
internal sealed class PeopleHost : IAsyncDisposable
{
    private const string Quiet = """
        akka.loglevel = OFF
        akka.stdout-loglevel = OFF
        akka.cluster.gossip-interval = 100ms
        akka.cluster.leader-actions-interval = 100ms
        akka.cluster.periodic-tasks-initial-delay = 100ms
        akka.cluster.sharding.state-store-mode = ddata
        akka.cluster.sharding.distributed-data.durable.keys = []

        """;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(1_500);
    private readonly IHost _host;

    private PeopleHost(IHost host) => _host = host;

    public ActorSystem System => _host.Services.GetRequiredService<ActorSystem>();

    public IActorRef People => ActorRegistry.For(System).Get<PeopleRegion>();

    /// <summary>Starts on the journal of a store, new or left behind by an earlier host.</summary>
    public static Task<PeopleHost> Start(
        TemporaryDatabase store, PeopleOptions? options = null, UnfinishedMerges? unfinished = null) =>
        StartAsync(store.WithJournal, options, unfinished);

    /// <summary>Starts on the journal of a store in which some homes cannot write.</summary>
    public static Task<PeopleHost> StartOnFailing(TemporaryDatabase store, UnfinishedMerges unfinished) => StartAsync(
        akka => store.WithJournal(akka.AddHocon(FailingJournal.Config, HoconAddMode.Prepend)), options: null, unfinished);

    /// <summary>Starts on any journal.</summary>
    public static Task<PeopleHost> StartOn(
        string journal, PeopleOptions? options = null, UnfinishedMerges? unfinished = null) =>
        StartAsync(akka => akka.AddHocon(journal, HoconAddMode.Prepend), options, unfinished);

    private static async Task<PeopleHost> StartAsync(
        Func<AkkaConfigurationBuilder, AkkaConfigurationBuilder> withJournal, PeopleOptions? options, UnfinishedMerges? unfinished)
    {
        options ??= Options(_ => { });
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddAkka("people-tests", akka => withJournal(akka)
            .AddHocon(Quiet, HoconAddMode.Prepend)
            .AddHocon(ConfigurationFactory.ParseString(PipelineHosting.ReadHocon("akka.conf")), HoconAddMode.Append)
            .WithRemoting("127.0.0.1", 0)
            .WithClustering(new ClusterOptions { Roles = [NodeRoles.People] })
            .WithPeople(options, _ => Describe, unfinished ?? new UnfinishedList().Merges)
            .AddStartup((system, _) => Cluster.Get(system).Join(Cluster.Get(system).SelfAddress)));
        var host = new PeopleHost(builder.Build());
        await host._host.StartAsync();
        return host;
    }

    public Task<EventsApplied> Apply(ApplyEvents command) => Ask<EventsApplied>(command);

    public async Task<PersonSnapshot?> Find(string distinctId) =>
        (await Ask<object>(new GetPerson(Homes.Home(distinctId)))) is PersonFound found ? found.Person : null;

    /// <summary>The live actor of a home.</summary>
    public async Task<IActorRef> ActorOf(PersonId home)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (true)
        {
            try
            {
                return await System
                    .ActorSelection(People.Path / "*" / Uri.EscapeDataString(home.EntityId))
                    .ResolveOne(TimeSpan.FromMilliseconds(200), deadline.Token);
            }
            catch (ActorNotFoundException) when (!deadline.IsCancellationRequested)
            {
                // Its shard is still starting.
            }
        }
    }

    /// <summary>Asks until it is answered, as the ingest actor does.</summary>
    public async Task<T> Ask<T>(IPersonMessage message)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (true)
        {
            try
            {
                return await People.Ask<T>(message, AskAgain, deadline.Token);
            }
            catch (AskTimeoutException) when (!deadline.IsCancellationRequested)
            {
                // Asked again: messages may be lost while shards start.
            }
        }
    }

    /// <summary>Everything in memory is lost; the journal stays.</summary>
    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
        SqliteConnection.ClearAllPools();
    }

    /// <summary>Options for a test, changed where it matters.</summary>
    public static PeopleOptions Options(Action<PeopleOptions> change)
    {
        var options = new PeopleOptions
        {
            IdleTimeout = TimeSpan.FromMinutes(2),
            SnapshotEvery = 100,
            MergeRetry = TimeSpan.FromMilliseconds(200),
            Shards = 8,
        };
        change(options);
        return options;
    }

    // One message that tells what the mapping was told.
    private static MappedEvent Describe(CaptureEvent captured, PersonSnapshot? person, EventChange change)
    {
        if (person is null)
        {
            return new MappedEvent(LedgerDecision.Filtered, "nobody", []);
        }

        var givenUp = string.Join(',', change.GivenUpIds);
        var told = $"{person.UserId} v{person.Version} {change.ContactChanged} gave up {givenUp}";
        var message = new OutboundMessage(MessageKind.Track, captured.Uuid.ToString(), Encoding.UTF8.GetBytes(told));
        return new MappedEvent(LedgerDecision.Queued, "", [message]);
    }
}
