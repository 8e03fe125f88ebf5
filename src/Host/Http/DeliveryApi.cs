using Akka.Actor;
using Akka.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Delivery;

namespace VarianceActors.Host.Http;

/// <summary>The API's calls about how a connection delivers.</summary>
internal static class DeliveryApi
{
    private const int RateMax = 1_000_000;
    private static readonly TimeSpan GatePatience = TimeSpan.FromSeconds(10);

    public static void MapDelivery(this RouteGroupBuilder connection)
    {
        connection.MapGet("/delivery", ShowAsync)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("How the connection delivers: state, rate, backlog, estimate, latency and errors.");
        connection.MapPost("/pause", PauseAsync)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("Stops sending and keeps everything, through restarts, until it is resumed. May be repeated.");
        connection.MapPost("/resume", ResumeAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("Sends again: ends a pause, and closes an open breaker. May be repeated.")
            .WithDescription(
                "Without a body everything that waits is sent. Of what waits in the outbox, mode since sends only messages of events accepted "
                + "since a time, mode latest only the newest value of each trait of contacts and accounts. What is not in the outbox yet is sent as ever. "
                + "Aliases are sent in every mode.");
        connection.MapPut("/rate", RateAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("Changes the rate at once and through restarts, until the configured rate is changed.");
    }

    private static Task<Results<Ok<DeliveryView>, ProblemHttpResult>> ShowAsync(
        string connection, [AsParameters] GateParts parts, CancellationToken cancellationToken) =>
        AskAsync(new ConnectionMessage.GetDelivery(connection), parts, cancellationToken);

    private static Task<Results<Ok<DeliveryView>, ProblemHttpResult>> PauseAsync(
        string connection, [AsParameters] GateParts parts, CancellationToken cancellationToken) =>
        AskAsync(new ConnectionMessage.PauseDelivery(connection), parts, cancellationToken);

    private static async Task<Results<Ok<DeliveryView>, ProblemHttpResult>> ResumeAsync(
        string connection, [AsParameters] GateParts parts, CancellationToken cancellationToken, ResumeRequest? request = null)
    {
        var (name, since) = (request?.Mode ?? "all", request?.Since);
        ResumeMode? mode = name switch
        {
            "all" => ResumeMode.All,
            "since" => ResumeMode.Since,
            "latest" => ResumeMode.Latest,
            _ => null,
        };
        if (mode is null)
        {
            return Bad("mode is all, since or latest.");
        }

        if (mode == ResumeMode.Since != since is not null)
        {
            return Bad("since belongs to mode since, and mode since takes it.");
        }

        return since > parts.Time.GetUtcNow()
            ? Bad("since is in the future.")
            : await AskAsync(
                new ConnectionMessage.ResumeDelivery(connection, mode.Value, since), parts, cancellationToken);
    }

    private static async Task<Results<Ok<DeliveryView>, ProblemHttpResult>> RateAsync(
        string connection, RateRequest request, [AsParameters] GateParts parts, CancellationToken cancellationToken) =>
        request is { PerSecond: >= 0 and <= RateMax, Burst: >= 1 and <= RateMax }
            ? await AskAsync(
                new ConnectionMessage.ChangeRate(connection, request.PerSecond.Value, request.Burst.Value), parts, cancellationToken)
            : Bad($"per_second is 0 to {RateMax}, burst 1 to {RateMax}.");

    private static async Task<Results<Ok<DeliveryView>, ProblemHttpResult>> AskAsync(
        ConnectionMessage message, GateParts parts, CancellationToken cancellationToken)
    {
        var region = await parts.Gates.GetAsync(cancellationToken);
        try
        {
            var status = await region.Ask<DeliveryStatus>(message, GatePatience, cancellationToken);
            var report = await parts.Queries.ReadDeliveryAsync(message.ConnectionId, cancellationToken);
            return TypedResults.Ok(DeliveryView.Of(status, report, parts.Time.GetUtcNow()));
        }
        catch (AskTimeoutException)
        {
            return TypedResults.Problem(
                "The connection's gate does not answer now; ask again.",
                statusCode: StatusCodes.Status503ServiceUnavailable);
        }
    }

    private static ProblemHttpResult Bad(string fault) =>
        TypedResults.Problem(fault, statusCode: StatusCodes.Status400BadRequest);

    /// <summary>What asking a connection's gate takes.</summary>
    internal sealed record GateParts(IRequiredActor<ConnectionRegion> Gates, PipelineQueries Queries, TimeProvider Time);
}
