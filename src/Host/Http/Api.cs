using System.Text.Json;
using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Host.Http;

/// <summary>A person, as the API shows it.</summary>
/// <param name="PersonId">PostHog's person uuid.</param>
/// <param name="DistinctIds">All ids of the person, sorted.</param>
/// <param name="UserId">The id that identity was asserted with; null while anonymous.</param>
/// <param name="IsIdentified">Whether identity was asserted.</param>
/// <param name="CreatedAt">When the person was born, ISO 8601.</param>
/// <param name="Properties">The merged person properties.</param>
/// <param name="Version">0 at birth, plus one for every change.</param>
public sealed record PersonView(
    Guid PersonId,
    IReadOnlyList<string> DistinctIds,
    string? UserId,
    bool IsIdentified,
    DateTimeOffset CreatedAt,
    JsonObject Properties,
    long Version);

/// <summary>A dead letter, as the API shows it.</summary>
/// <param name="Id">Its number; pass it as <c>after</c> to go on behind it.</param>
/// <param name="Uuid">The event.</param>
/// <param name="Type">The Segment call.</param>
/// <param name="MessageId">The message id.</param>
/// <param name="Reason">Why it is here.</param>
/// <param name="Status">The status of the last answer; null if there was none.</param>
/// <param name="Response">The first part of the last answer's body, as text.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="FirstAttemptAt">When it was sent first.</param>
/// <param name="LastAttemptAt">When it was sent last.</param>
/// <param name="Body">The whole message.</param>
public sealed record DeadLetterView(
    long Id,
    Guid Uuid,
    string Type,
    string MessageId,
    string Reason,
    int? Status,
    string Response,
    int Attempts,
    DateTimeOffset FirstAttemptAt,
    DateTimeOffset LastAttemptAt,
    JsonElement Body);

/// <summary>A page of dead letters.</summary>
/// <param name="Items">In the order they came.</param>
/// <param name="Next">Pass it as <c>after</c> for the next page; null on the last one.</param>
public sealed record DeadLetterPage(IReadOnlyList<DeadLetterView> Items, long? Next);

/// <summary>The HTTP API of operators.</summary>
internal static class Api
{
    private const int PageMax = 1000;
    private static readonly TimeSpan PersonPatience = TimeSpan.FromSeconds(10);

    public static void MapApi(this IEndpointRouteBuilder routes)
    {
        var connection = routes.MapGroup("/api/v1/connections/{connection}")
            .AddEndpointFilter(new AdminAccess(routes.ServiceProvider.GetRequiredService<PipelineOptions>()))
            .AddEndpointFilter<KnownConnection>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status404NotFound);
        connection.MapGet("/ledger", LedgerAsync)
            .WithSummary("The books: accepted equals the sum of all the other columns, at any moment.");
        connection.MapGet("/events/{uuid:guid}", EventAsync)
            .WithSummary("What became of one event.");
        connection.MapGet("/persons/{distinctId}", PersonAsync)
            .WithSummary("The person behind a distinct id.");
        connection.MapGet("/dead-letters", DeadLettersAsync)
            .WithSummary("Messages that could not be delivered, in the order they came.");
        connection.MapGet("/warnings", WarningsAsync)
            .WithSummary("Ingestion warnings, counted and listed, the newest first; a refused merge is one.");
    }

    private static async Task<Ok<LedgerBalance>> LedgerAsync(
        string connection, PipelineQueries queries, CancellationToken cancellationToken) =>
        TypedResults.Ok(await queries.ReadLedgerAsync(connection, cancellationToken));

    private static async Task<Results<Ok<EventStory>, ProblemHttpResult>> EventAsync(
        string connection, Guid uuid, PipelineQueries queries, CancellationToken cancellationToken)
    {
        var stories = await queries.ReadEventsAsync(connection, uuid, cancellationToken);
        return stories.IsEmpty
            ? TypedResults.Problem(
                "No event with this uuid has been processed: it is unknown, still waits, or its ledger row has expired.",
                statusCode: StatusCodes.Status404NotFound)
            : TypedResults.Ok(stories[0]);
    }

    private static async Task<Results<Ok<PersonView>, ProblemHttpResult>> PersonAsync(
        string connection,
        string distinctId,
        HttpContext http,
        IRequiredActor<PeopleRegion> people,
        CancellationToken cancellationToken)
    {
        var region = await people.GetAsync(cancellationToken);
        object answer;
        try
        {
            answer = await region.Ask<object>(
                new GetPerson(new PersonId(connection, RawSegment.Behind(http, "persons", distinctId))),
                PersonPatience,
                cancellationToken);
        }
        catch (AskTimeoutException)
        {
            return TypedResults.Problem(
                "The person does not answer now; ask again.", statusCode: StatusCodes.Status503ServiceUnavailable);
        }

        return answer is PersonFound found
            ? TypedResults.Ok(ViewOf(found.Person))
            : TypedResults.Problem("There is no person with this distinct id.", statusCode: StatusCodes.Status404NotFound);
    }

    private static async Task<Ok<DeadLetterPage>> DeadLettersAsync(
        string connection, PipelineQueries queries, CancellationToken cancellationToken, long after = 0, int limit = 100)
    {
        var rows = await queries.ReadDeadLettersAsync(
            connection, after, Math.Clamp(limit, 1, PageMax), cancellationToken);
        return TypedResults.Ok(new DeadLetterPage(
            rows.ConvertAll(ViewOf), rows.Count == Math.Clamp(limit, 1, PageMax) ? rows[^1].Id : null));
    }

    private static async Task<Ok<WarningPage>> WarningsAsync(
        string connection,
        PipelineQueries queries,
        CancellationToken cancellationToken,
        string? type = null,
        long? after = null,
        int limit = 100) =>
        TypedResults.Ok(await queries.ReadWarningsAsync(
            connection, type, after, Math.Clamp(limit, 1, PageMax), cancellationToken));

    private static PersonView ViewOf(PersonSnapshot person) => new(
        person.PersonUuid,
        [.. person.DistinctIds.Order(StringComparer.Ordinal)],
        person.UserId,
        person.IsIdentified,
        person.CreatedAt,
        new JsonObject(person.Properties
            .OrderBy(property => property.Key, StringComparer.Ordinal)
            .Select(property => KeyValuePair.Create(property.Key, JsonNode.Parse(property.Value.Json)))),
        person.Version);

    private static DeadLetterView ViewOf(DeadLetter letter) => new(
        letter.Id,
        letter.Uuid,
        letter.Kind.ToString().ToLowerInvariant(),
        letter.MessageId,
        letter.Reason,
        letter.Status,
        System.Text.Encoding.UTF8.GetString(letter.Response),
        letter.Attempts,
        letter.FirstAttemptAt,
        letter.LastAttemptAt,
        JsonDocument.Parse(letter.Body).RootElement);

    private sealed class KnownConnection(PipelineQueries queries) : IEndpointFilter
    {
        public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
            queries.HasConnection((string)context.HttpContext.GetRouteValue("connection")!)
                ? next(context)
                : ValueTask.FromResult<object?>(TypedResults.Problem(
                    "There is no connection with this id in the configuration.",
                    statusCode: StatusCodes.Status404NotFound));
    }
}
