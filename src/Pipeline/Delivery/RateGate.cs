using System.Threading.Channels;
using Akka.Streams;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>The rate of one connection on this node: every attempt, first or repeated, waits here for its permit.</summary>
public sealed class RateGate
{
    private readonly Channel<TaskCompletionSource> _waiting = Channel.CreateUnbounded<TaskCompletionSource>(
        new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Opens the gate.</summary>
    /// <param name="perSecond">Permits per second.</param>
    /// <param name="burst">How many permits may be saved up while nobody asks.</param>
    /// <param name="materializer">Runs the stream; the gate closes with it.</param>
    public RateGate(int perSecond, int burst, IMaterializer materializer) =>
        DeliveryGraph.HandOutPermits(_waiting.Reader, perSecond, burst).Run(materializer);

    /// <summary>Returns when an attempt may be made.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        var permit = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _waiting.Writer.WriteAsync(permit, cancellationToken).ConfigureAwait(false);
        await permit.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }
}
