using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.People;

/// <summary>
/// Wakes homes with unfinished merges: all of them when the node has joined, since it may be back from a crash, and when another
/// one has gone; later those that are unfinished for long. Runs on every node; a home woken twice does nothing more.
/// </summary>
public sealed class MergeWaker : ReceiveActor, IWithTimers
{
    private const int HomesPerStep = 500;
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AfterRemoval = TimeSpan.FromMilliseconds(500); // until then the regions know it too
    private static readonly TimeSpan BetweenSteps = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongAgo = TimeSpan.FromMinutes(1);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly IActorRef _people;
    private readonly PipelineDatabase _database;
    private readonly PipelineLayout _layout;
    private readonly TimeProvider _time;

    /// <summary>Wakes what is on the list.</summary>
    /// <param name="people">The region that homes are reached through.</param>
    /// <param name="database">Where the list is.</param>
    /// <param name="layout">The connections by number.</param>
    /// <param name="time">The clock.</param>
    public MergeWaker(IActorRef people, PipelineDatabase database, PipelineLayout layout, TimeProvider time)
    {
        (_people, _database, _layout, _time) = (people, database, layout, time);
        Receive<Round>(round => Read(round));
        Receive<Page>(Wake);
        Receive<ClusterEvent.MemberRemoved>(_ => Timers.StartSingleTimer(nameof(Round), Round.OfAll, AfterRemoval));
        Receive<Status.Failure>(Fail);
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc />
    protected override void PreStart()
    {
        var self = Self;
        var cluster = Akka.Cluster.Cluster.Get(Context.System);
        cluster.RegisterOnMemberUp(() => self.Tell(Round.OfAll));
        cluster.Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.MemberRemoved));
    }

    /// <inheritdoc />
    protected override void PostStop() => Akka.Cluster.Cluster.Get(Context.System).Unsubscribe(Self);

    private void Read(Round round) => _database
        .ReadAsync(session => UnfinishedMergeStatements.List(session, round.Connection, round.DistinctId, HomesPerStep))
        .PipeTo(Self, success: homes => new Page(round, homes));

    private void Wake(Page page)
    {
        var before = _time.GetUtcNow() - LongAgo;
        foreach (var (connection, distinctId, since) in page.Homes)
        {
            // A connection that was taken out of the configuration sleeps until it is back.
            if ((page.Round.WakesAll || since <= before)
                && _layout.ConnectionByNumber.TryGetValue(connection, out var connectionId))
            {
                _people.Tell(new ResumeMerge(new PersonId(connectionId, distinctId)));
            }
        }

        if (page.Homes.Count < HomesPerStep)
        {
            Timers.StartSingleTimer(nameof(Round), Round.OfOld, Rest);
        }
        else
        {
            var (connection, distinctId, _) = page.Homes[^1];
            var next = page.Round with { Connection = connection, DistinctId = distinctId };
            Timers.StartSingleTimer(nameof(Round), next, BetweenSteps);
        }
    }

    private void Fail(Status.Failure failure)
    {
        _log.Warning(failure.Cause, "The unfinished merges could not be read; they are read again soon.");
        Timers.StartSingleTimer(nameof(Round), Round.OfAll, Rest);
    }

    /// <summary>A walk through the list, and how far it has come.</summary>
    private sealed record Round(bool WakesAll, int Connection, string DistinctId)
    {
        public static Round OfAll { get; } = new(true, 0, "");

        public static Round OfOld { get; } = OfAll with { WakesAll = false };
    }

    private sealed record Page(Round Round, List<UnfinishedMerge> Homes);
}
