namespace VarianceActors.Host;

/// <summary>
/// Stops the node when the disk fails under the database: what is on disk is then unknown, and going on could answer 200 for
/// events that are lost. Whoever runs the process starts it again.
/// </summary>
internal sealed partial class Breakage
{
    private readonly TaskCompletionSource<Exception> _reported = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Report(Exception failure) => _reported.TrySetResult(failure);

    public void StopOnReport(WebApplication app) => _ = StopAsync(app);

    [LoggerMessage(LogLevel.Critical, "The database cannot be written any more; the node stops. Check the disk and the memory before the next start.")]
    private static partial void LogBroken(ILogger logger, Exception failure);

    private async Task StopAsync(WebApplication app)
    {
        var failure = await _reported.Task.ConfigureAwait(false);
        LogBroken(app.Logger, failure);
        Environment.ExitCode = 1;
        app.Lifetime.StopApplication();
    }
}
