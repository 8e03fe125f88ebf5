using VarianceActors.Host.Commands;

namespace VarianceActors.Host;

/// <summary>How a node goes: it serves on for a while when it is told to stop, so that nobody calls a closed door; and at once,
/// without finishing anything, when it is no part of its cluster any more.</summary>
internal sealed partial class Departure(ILogger<Departure> logger, TimeSpan stopAfter, TimeProvider time)
    : IHostedLifecycleService
{
    private int _lost;

    /// <summary>Ends the process: its work is done elsewhere by now. Whoever runs it starts it again.</summary>
    public void Lose(string reason)
    {
        if (Interlocked.Exchange(ref _lost, 1) == 0)
        {
            LogLost(reason);
            Environment.Exit(ExitCodes.LostItsCluster);
        }
    }

    public Task StoppingAsync(CancellationToken cancellationToken) => stopAfter == TimeSpan.Zero
        ? Task.CompletedTask
        : Task.Delay(stopAfter, time, cancellationToken);

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(LogLevel.Critical, "The node ends at once: {Reason}. What it had not finished is finished by others; start it again.")]
    private partial void LogLost(string reason);
}
