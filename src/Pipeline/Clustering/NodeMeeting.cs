using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Clustering;

/// <summary>
/// How nodes without seed nodes find each other: in the database that they share. Each notes its address there and joins the
/// members that it finds; if there is none, the one with the lowest address begins the cluster. Only one looks at a time, so that
/// two never begin. If there are two clusters all the same, because one could not reach the database for some time, the
/// nodes end that are not with the oldest member.
/// </summary>
/// <remarks>Looking → member.</remarks>
public sealed class NodeMeeting : ReceiveActor, IWithTimers
{
    private const int StrangeLooksMax = 20;
    private const long BeginAfter = 3_000;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(1_500);
    private static readonly TimeSpan JoinAgainAfter = TimeSpan.FromSeconds(15);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly PipelineDatabase _database;
    private readonly Action<string> _lost;
    private readonly string _self;
    private string _joining = "";
    private long? _since;
    private long? _joinedAt;
    private int _strangeLooks;

    /// <summary>Brings this node together with others.</summary>
    /// <param name="database">Where they meet.</param>
    /// <param name="lost">Told when the node is in the wrong cluster.</param>
    public NodeMeeting(PipelineDatabase database, Action<string> lost)
    {
        (_database, _lost, _self) = (database, lost, _cluster.SelfAddress.ToString());
        Looking();
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc />
    protected override void PreStart()
    {
        var self = Self;
        _cluster.RegisterOnMemberUp(() => self.Tell(MemberUp.Instance));
        Timers.StartPeriodicTimer(nameof(Look), Look.Instance, TimeSpan.Zero, Interval);
    }

    private void Looking()
    {
        Receive<Look>(_ => LookAround());
        Receive<Found>(Join);
        Receive<JoinAgain>(_ => _joining = "");
        Receive<MemberUp>(_ => Become(Member));
        Receive<Status.Failure>(Fail);
    }

    private void Member()
    {
        Receive<Look>(_ => Stay());
        Receive<Around>(Check);
        Receive<Found>(_ => { });
        Receive<JoinAgain>(_ => { });
        Receive<Status.Failure>(Fail);
    }

    private void LookAround()
    {
        var (self, since) = (_self, _since);
        _database
            .WriteAsync(session =>
            {
                var now = NodeStatements.Enter(session);
                NodeStatements.Note(session, self, now, joinedAt: null);
                var seen = NodeStatements.Seen(session, now);
                var members = seen.Where(node => node.JoinedAt is not null).Select(node => node.Address).ToList();
                var begins = members.Count == 0 && seen[0].Address == self && now - (since ?? now) >= BeginAfter;
                if (begins)
                {
                    NodeStatements.Note(session, self, now, joinedAt: now);
                }

                return new Found(members, since ?? now, begins ? now : null);
            })
            .PipeTo(Self);
    }

    private void Join(Found found)
    {
        _since = found.Since;
        if (found.BeganAt is { } now)
        {
            _joinedAt = now;
            _cluster.Join(_cluster.SelfAddress);
            Become(Member);
        }
        else if (found.Members.Count > 0 && string.Join(' ', found.Members) is var members && members != _joining)
        {
            _joining = members;
            _cluster.JoinSeedNodes(found.Members.Select(Address.Parse));
            Timers.StartSingleTimer(nameof(JoinAgain), JoinAgain.Instance, JoinAgainAfter);
        }
    }

    private void Stay()
    {
        var (self, joinedAt) = (_self, _joinedAt);
        _database
            .WriteAsync(session =>
            {
                var now = NodeStatements.Now(session);
                NodeStatements.Note(session, self, now, joinedAt ?? now);
                return new Around(NodeStatements.Seen(session, now), joinedAt ?? now);
            })
            .PipeTo(Self);
    }

    private void Check(Around around)
    {
        _joinedAt = around.JoinedAt;
        var oldest = around.Seen.Where(node => node.JoinedAt is not null).MinBy(node => (node.JoinedAt, node.Address));
        var isStrange = oldest is not null
            && _cluster.State.Members.All(member => member.Address.ToString() != oldest.Address);
        _strangeLooks = isStrange ? _strangeLooks + 1 : 0;
        if (_strangeLooks > StrangeLooksMax)
        {
            _lost("there is an older cluster on the same database");
        }
    }

    private void Fail(Status.Failure failure) =>
        _log.Warning(failure.Cause, "The other nodes cannot be looked for in the database; they are looked for again soon.");

    private sealed record Found(List<string> Members, long Since, long? BeganAt);

    private sealed record Around(List<NodeSeen> Seen, long JoinedAt);

    private sealed record Look
    {
        public static Look Instance { get; } = new();
    }

    private sealed record JoinAgain
    {
        public static JoinAgain Instance { get; } = new();
    }

    private sealed record MemberUp
    {
        public static MemberUp Instance { get; } = new();
    }
}
