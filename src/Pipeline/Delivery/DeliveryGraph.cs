using System.Threading.Channels;
using Akka;
using Akka.Streams;
using Akka.Streams.Dsl;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Delivers one message: returns when it has an outcome, however long that takes.</summary>
public delegate Task<DeliveryOutcome> Send(OutboxEntry entry, CancellationToken cancellationToken);

/// <summary>The streams that deliver, as pure blueprints.</summary>
public static class DeliveryGraph
{
    /// <summary>Sends the heads of up to <paramref name="lanesMax"/> lanes side by side, and gives each with its outcome.</summary>
    public static Flow<OutboxEntry, FinishedMessage, NotUsed> Deliver(
        int lanesMax, Send send, CancellationToken cancellationToken) =>
        Flow.Create<OutboxEntry>().SelectAsyncUnordered(
            lanesMax,
            async entry => new FinishedMessage(entry, await send(entry, cancellationToken).ConfigureAwait(false)));

    /// <summary>Hands out permits, one for each that asks, never faster than the rate; a burst may be saved up.</summary>
    public static IRunnableGraph<Task> HandOutPermits(
        ChannelReader<TaskCompletionSource> waiting, int perSecond, int burst) =>
        ChannelSource.FromReader(waiting)
            .Throttle(perSecond, TimeSpan.FromSeconds(1), burst, ThrottleMode.Shaping)
            .ToMaterialized(Sink.ForEach<TaskCompletionSource>(permit => permit.TrySetResult()), Keep.Right);
}
