using Akka.Actor;
using Akka.Cluster;
using Akka.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Ingest;

namespace VarianceActors.Host.Http;

/// <summary>Whether the node lives, and whether it can accept and process.</summary>
internal static class Health
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", () => TypedResults.Ok(new HealthView("live")))
            .WithSummary("200 as long as the process answers.");
        routes.MapGet("/health/ready", ReadyAsync)
            .Produces<HealthView>()
            .Produces<HealthView>(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("200 when the node can accept events and process them, else 503 with what is missing.");
        routes.MapGet("/health", OverallAsync)
            .Produces<HealthView>()
            .Produces<HealthView>(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("As ready, but says degraded, with 200 and a reason, when it works and a person should look.");
    }

    private static async Task<IResult> OverallAsync(
        PipelineParts parts,
        ActorSystem system,
        IRequiredActor<IngestRegion> ingest,
        IHostApplicationLifetime lifetime,
        CancellationToken cancellationToken)
    {
        var ready = await ReadyAsync(parts, system, ingest, lifetime, cancellationToken);
        return ready is Ok<HealthView> && parts.Meter.Books.Unbalanced.Any()
            ? TypedResults.Ok(new HealthView("degraded", "the books of a connection do not balance; see its ledger"))
            : ready;
    }

    private static async Task<IResult> ReadyAsync(
        PipelineParts parts,
        ActorSystem system,
        IRequiredActor<IngestRegion> ingest,
        IHostApplicationLifetime lifetime,
        CancellationToken cancellationToken)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            return NotReady("stopping");
        }

        if (Cluster.Get(system).SelfMember.Status != MemberStatus.Up)
        {
            return NotReady("the node has not joined its cluster yet");
        }

        try
        {
            var last = parts.Layout.Partitioning.Partitions - 1;
            var region = await ingest.GetAsync(cancellationToken);
            await region.Ask<IngestRunning>(new IngestMessage.GetRunning(last), Patience, cancellationToken);
        }
        catch (AskTimeoutException)
        {
            return NotReady("the ingest actors do not answer yet");
        }

        return await parts.Database.CanWriteAsync(Patience)
            ? TypedResults.Ok(new HealthView("ready"))
            : NotReady("the database does not take writes");
    }

    private static JsonHttpResult<HealthView> NotReady(string reason) => TypedResults.Json(
        new HealthView("not ready", reason), statusCode: StatusCodes.Status503ServiceUnavailable);
}

/// <summary>The answer of the health endpoints.</summary>
/// <param name="Status"><c>live</c>, <c>ready</c>, <c>degraded</c> or <c>not ready</c>.</param>
/// <param name="Reason">What is missing or wrong; null when nothing is.</param>
public sealed record HealthView(string Status, string? Reason = null);
