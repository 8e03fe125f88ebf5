using Akka.Actor;
using Akka.Event;

namespace VarianceActors.Pipeline;

/// <summary>Finishes what operators wished and a node left behind that has stopped half way: at the start of a node, and then what
/// nobody has touched for long.</summary>
public abstract class UnfinishedWork : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(30);

    /// <summary>Longer than the call that begins the work may take, or than it takes to touch it again.</summary>
    private static readonly TimeSpan LongAgo = TimeSpan.FromMinutes(5);

    private readonly TimeProvider _time;
    private bool _isFirst = true;

    /// <summary>Looks by a clock.</summary>
    protected UnfinishedWork(TimeProvider time)
    {
        _time = time;
        Receive<Look>(_ => FinishAsync().PipeTo(Self, success: () => Looked.Instance));
        Receive<Looked>(_ => Wait());
        Receive<Status.Failure>(Fail);
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Where it is said what went wrong.</summary>
    protected ILoggingAdapter Log { get; } = Context.GetLogger();

    /// <summary>Finishes what nobody has touched since then.</summary>
    protected abstract Task FinishAsync(DateTimeOffset before);

    /// <inheritdoc />
    protected override void PreStart()
    {
        var self = Self;
        Akka.Cluster.Cluster.Get(Context.System).RegisterOnMemberUp(() => self.Tell(Look.Instance));
    }

    private Task FinishAsync()
    {
        var before = _isFirst ? DateTimeOffset.MaxValue : _time.GetUtcNow() - LongAgo;
        _isFirst = false;
        return FinishAsync(before);
    }

    private void Wait() => Timers.StartSingleTimer(nameof(Look), Look.Instance, Rest);

    private void Fail(Status.Failure failure)
    {
        Log.Warning(failure.Cause, "What was begun and not finished could not be listed; it is tried again soon.");
        Wait();
    }

    private sealed record Look
    {
        public static Look Instance { get; } = new();
    }

    private sealed record Looked
    {
        public static Looked Instance { get; } = new();
    }
}
