using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline;

namespace VarianceActors.Host.Http;

/// <summary>Whether the node lives, and whether it can accept and process.</summary>
internal static class Health
{
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
        Readiness readiness, PipelineParts parts, CancellationToken cancellationToken)
    {
        var ready = await ReadyAsync(readiness, cancellationToken);
        return ready is Ok<HealthView> && parts.Meter.Books.Unbalanced.Any()
            ? TypedResults.Ok(new HealthView("degraded", "the books of a connection do not balance; see its ledger"))
            : ready;
    }

    private static async Task<IResult> ReadyAsync(Readiness readiness, CancellationToken cancellationToken) =>
        await readiness.MissingAsync(cancellationToken) is { } missing
            ? NotReady(missing)
            : TypedResults.Ok(new HealthView("ready"));

    private static JsonHttpResult<HealthView> NotReady(string reason) => TypedResults.Json(
        new HealthView("not ready", reason), statusCode: StatusCodes.Status503ServiceUnavailable);
}

/// <summary>The answer of the health endpoints.</summary>
/// <param name="Status"><c>live</c>, <c>ready</c>, <c>degraded</c> or <c>not ready</c>.</param>
/// <param name="Reason">What is missing or wrong; null when nothing is.</param>
public sealed record HealthView(string Status, string? Reason = null);
