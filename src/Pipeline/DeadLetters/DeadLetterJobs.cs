using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.Delivery;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>
/// Runs the jobs about dead letters that the database knows of, one step of each in turn, so that no job holds up another one
/// or the pipeline. Whatever stops it, the job goes on where its last committed step ended.
/// </summary>
/// <remarks>Idle → looking: which jobs are not finished → stepping, until none is left → idle.</remarks>
public sealed class DeadLetterJobs : ReceiveActor, IWithTimers
{
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly PipelineParts _parts;
    private readonly IActorRef _delivery;
    private readonly Queue<(long Id, int Connection)> _running = [];
    private bool _busy;

    /// <summary>Runs the jobs in the database of <paramref name="parts"/>.</summary>
    /// <param name="parts">The pipeline.</param>
    /// <param name="delivery">The shard region that is told of messages in the outbox.</param>
    public DeadLetterJobs(PipelineParts parts, IActorRef delivery)
    {
        _parts = parts;
        _delivery = delivery;
        Receive<MemberUp>(_ => Begin());
        Receive<Look>(_ => LookForJobs());
        Receive<JobsFound>(Queue);
        Receive<Stepped>(GoOn);
        Receive<Status.Failure>(Fail);
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>A node that has to stop before it is a member can stop at once.</summary>
    protected override void PreStart()
    {
        var self = Self;
        Akka.Cluster.Cluster.Get(Context.System).RegisterOnMemberUp(() => self.Tell(MemberUp.Instance));
    }

    private void Begin() => Timers.StartPeriodicTimer(
        nameof(Look), Look.Instance, TimeSpan.Zero, _parts.Options.Ingest.PollInterval);

    private void LookForJobs()
    {
        if (!_busy)
        {
            _busy = true;
            _parts.Database
                .ReadAsync(session => new JobsFound(DeadLetterJobStatements.Unfinished(session)))
                .PipeTo(Self);
        }
    }

    private void Queue(JobsFound found)
    {
        foreach (var job in found.Jobs.Where(job => _parts.Layout.ConnectionByNumber.ContainsKey(job.Connection)))
        {
            _running.Enqueue(job);
        }

        StepNext();
    }

    private void StepNext()
    {
        if (!_running.TryPeek(out var job))
        {
            _busy = false;
            return;
        }

        var (partitions, now) = (_parts.Layout.DeliveryPartitions, _parts.Time.GetUtcNow());
        _parts.Database
            .WriteAsync(session =>
            {
                var (touched, hasMore) = DeadLetterJob.Step(session, job.Id, partitions, now);
                return new Stepped(touched, hasMore);
            })
            .PipeTo(Self);
    }

    private void GoOn(Stepped stepped)
    {
        var job = _running.Dequeue();
        var connectionId = _parts.Layout.ConnectionByNumber[job.Connection];
        foreach (var partition in stepped.Touched)
        {
            _delivery.Tell(new DeliveryMessage.Poke(new DeliveryId(connectionId, partition)));
        }

        if (stepped.HasMore)
        {
            _running.Enqueue(job);
        }

        StepNext();
    }

    private void Fail(Status.Failure failure)
    {
        _log.Warning(failure.Cause, "A step of a job about dead letters did not happen; it is tried again soon.");
        _running.TryDequeue(out _); // the next look finds it again; the others go on
        StepNext();
    }

    /// <summary>There may be a new job: look. May be lost or repeated.</summary>
    public sealed record Look
    {
        /// <summary>The message.</summary>
        public static Look Instance { get; } = new();
    }

    private sealed record MemberUp
    {
        public static MemberUp Instance { get; } = new();
    }

    private sealed record JobsFound(List<(long Id, int Connection)> Jobs);

    private sealed record Stepped(IReadOnlyList<int> Touched, bool HasMore);
}
