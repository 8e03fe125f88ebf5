using Akka.Actor;
using Akka.Event;

namespace VarianceActors.Pipeline.Metering;

/// <summary>Reads the books of all connections now and then, for the metrics and the health, and raises the alarm when they do
/// not balance.</summary>
public sealed class BooksWatch : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly PipelineParts _parts;
    private bool _alarmed;

    /// <summary>Watches the database of <paramref name="parts"/>.</summary>
    public BooksWatch(PipelineParts parts)
    {
        _parts = parts;
        Receive<Look>(_ => Read());
        Receive<BooksSample>(Note);
        Receive<Status.Failure>(Fail);
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>A node that has to stop before it is a member can stop at once.</summary>
    protected override void PreStart()
    {
        var self = Self;
        Akka.Cluster.Cluster.Get(Context.System).RegisterOnMemberUp(() => self.Tell(Look.Instance));
    }

    private void Read()
    {
        var now = _parts.Time.GetUtcNow();
        _parts.Database.ReadAsync(session => BooksSample.Read(session, _parts.Layout, now)).PipeTo(Self);
    }

    private void Note(BooksSample sample)
    {
        _parts.Meter.Books = sample;
        var unbalanced = sample.Unbalanced.ToList();
        if (unbalanced.Count > 0 && !_alarmed)
        {
            _log.Error(
                "The books of {Connections} do not balance. Keep the data directory and report this.",
                string.Join(", ", unbalanced));
        }

        _alarmed = unbalanced.Count > 0;
        Wait();
    }

    private void Fail(Status.Failure failure)
    {
        _log.Warning(failure.Cause, "The books could not be read; they are read again soon.");
        Wait();
    }

    private void Wait() => Timers.StartSingleTimer(nameof(Look), Look.Instance, Interval);

    private sealed record Look
    {
        public static Look Instance { get; } = new();
    }
}
