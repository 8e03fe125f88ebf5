using System.Diagnostics;
using Akka.Actor;
using Akka.Remote;

namespace VarianceActors.Pipeline.Clustering;

/// <summary>
/// Notices that this node is no part of its cluster any more, or may not be: others have put it into quarantine, it was downed,
/// or its process stood still for so long that its work may have gone to others. It must not finish anything then: whoever
/// runs the process starts it again. Every write is fenced in any case.
/// </summary>
public sealed class NodeWatch : IDisposable
{
    /// <summary>Shorter than others take to down a node: see <c>split-brain-resolver</c> in <c>hocon/cluster.conf</c>.</summary>
    private static readonly TimeSpan StandstillMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private readonly Action<string> _lost;
    private readonly ManualResetEvent _ended = new(initialState: false);
    private readonly bool _isClustered;
    private long _seen = Stopwatch.GetTimestamp();

    /// <summary>Watches until it is disposed of.</summary>
    /// <param name="isClustered">Whether there may be other nodes; else nothing is watched.</param>
    /// <param name="lost">Told once why the process must end; must not return to work.</param>
    public NodeWatch(bool isClustered, Action<string> lost)
    {
        (_isClustered, _lost) = (isClustered, lost);
        if (isClustered)
        {
            new Thread(Tick) { IsBackground = true, Name = "node-watch" }.Start();
        }
    }

    /// <summary>For a node that has no others beside it: nothing is watched.</summary>
    public static NodeWatch OfOneNode { get; } = new(isClustered: false, _ => { });

    /// <summary>Whether the process ran all the time: asked before something leaves that another node may have sent by now.</summary>
    public bool RanAllTheTime
    {
        get
        {
            if (!_isClustered || Stopwatch.GetElapsedTime(Volatile.Read(ref _seen)) <= StandstillMax)
            {
                return true;
            }

            _lost("the process stood still, and others may have taken its work over");
            return false;
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _ended.Set();
    }

    /// <summary>Somebody else has noticed it.</summary>
    internal void Lose(string reason) => _lost(reason);

    /// <summary>Watches what the actor system hears of itself.</summary>
    internal void Watch(ActorSystem system)
    {
        if (!_isClustered)
        {
            return;
        }

        var lost = _lost;
        system.EventStream.Subscribe(
            system.ActorOf(Props.Create(() => new Listener(lost)), "node-watch"), typeof(ThisActorSystemQuarantinedEvent));
        var shutdown = CoordinatedShutdown.Get(system);
        shutdown.AddTask(CoordinatedShutdown.PhaseBeforeServiceUnbind, "node-watch", () =>
        {
            switch (shutdown.ShutdownReason)
            {
                case CoordinatedShutdown.ClusterDowningReason:
                    lost("the node was downed: it could not reach the majority, or the majority could not reach it");
                    break;
                case CoordinatedShutdown.ClusterJoinUnsuccessfulReason:
                    lost("the node was not let into the cluster");
                    break;
            }

            return Task.FromResult(Akka.Done.Instance);
        });
    }

    private void Tick()
    {
        while (!_ended.WaitOne(Interval))
        {
            if (RanAllTheTime)
            {
                Volatile.Write(ref _seen, Stopwatch.GetTimestamp());
            }
        }
    }

    private sealed class Listener : ReceiveActor
    {
        public Listener(Action<string> lost) => Receive<ThisActorSystemQuarantinedEvent>(
            _ => lost("other nodes have put this one into quarantine"));
    }
}
