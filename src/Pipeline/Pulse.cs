using Akka.Actor;
using Akka.Hosting;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Ingest;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>
/// Pokes every ingest and delivery actor and every projector of the cluster now and then, from every node. A poke starts an actor that does not
/// run and makes a running one look, so this is what starts the pipeline, what revives an actor that stopped on a failure,
/// and what a lost wake-up falls back to.
/// </summary>
public sealed class Pulse : ReceiveActor, IWithTimers
{
    private readonly IActorRef _ingest;
    private readonly IActorRef _delivery;
    private readonly IActorRef? _views;
    private readonly PipelineParts _parts;
    private CancellationTokenRegistration _started;

    /// <summary>Pulses through the regions in <paramref name="registry"/>.</summary>
    public Pulse(IReadOnlyActorRegistry registry, PipelineParts parts)
    {
        _ingest = registry.Get<IngestRegion>();
        _delivery = registry.Get<DeliveryRegion>();
        _views = parts.Options.Views.Enabled ? registry.Get<ViewsRegion>() : null;
        _parts = parts;
        Receive<MemberUp>(_ => Begin());
        Receive<Beat>(_ => PokeAll());
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>
    /// There are no shards to poke before the node is a member, and no use for it before the node has started: until then, a
    /// node that has to stop can stop at once.
    /// </summary>
    protected override void PreStart()
    {
        var (self, cluster) = (Self, Akka.Cluster.Cluster.Get(Context.System));
        _started = _parts.Started.Register(() => cluster.RegisterOnMemberUp(() => self.Tell(MemberUp.Instance)));
    }

    /// <inheritdoc />
    protected override void PostStop() => _started.Dispose();

    private void Begin() =>
        Timers.StartPeriodicTimer(nameof(Beat), Beat.Instance, TimeSpan.Zero, _parts.Options.Ingest.PollInterval);

    private void PokeAll()
    {
        for (var partition = 0; partition < _parts.Layout.Partitioning.Partitions; partition++)
        {
            _ingest.Tell(new IngestMessage.Poke(partition));
        }

        foreach (var connectionId in _parts.Layout.NumberByConnection.Keys)
        {
            for (var partition = 0; partition < _parts.Layout.DeliveryPartitions; partition++)
            {
                var slice = new DeliveryId(connectionId, partition);
                _delivery.Tell(new DeliveryMessage.Poke(slice));
                _views?.Tell(new ViewMessage.Poke(slice));
            }
        }
    }

    private sealed record MemberUp
    {
        public static MemberUp Instance { get; } = new();
    }

    private sealed record Beat
    {
        public static Beat Instance { get; } = new();
    }
}
