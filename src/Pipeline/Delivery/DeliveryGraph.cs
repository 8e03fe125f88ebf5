using Akka;
using Akka.Streams.Dsl;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Makes one attempt to deliver a message, however it ends; the number says which attempt it is.</summary>
public delegate Task<DeliveryAttempt> Send(OutboxEntry entry, int number);

/// <summary>The stream that delivers, as a pure blueprint.</summary>
public static class DeliveryGraph
{
    /// <summary>Makes up to <paramref name="lanesMax"/> attempts side by side, and gives each when it is over.</summary>
    public static Flow<Flight, FlightEnded, NotUsed> Deliver(int lanesMax, Send send) =>
        Flow.Create<Flight>().SelectAsyncUnordered(lanesMax, flight => flight.MakeAsync(send));
}
