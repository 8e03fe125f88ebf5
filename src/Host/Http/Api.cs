using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline;
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
    long Version)
{
    /// <summary>The account that it belongs to; null if there is none.</summary>
    public AccountLinkView? Account { get; init; }

    /// <summary>Its stage; null if it is in none.</summary>
    public StageView? Stage { get; init; }
}

/// <summary>Every decision about who a person is.</summary>
/// <param name="PersonId">PostHog's person uuid.</param>
/// <param name="Decisions">In the order in which they were made.</param>
public sealed record TimelineView(Guid PersonId, IReadOnlyList<DecisionView> Decisions);

/// <summary>A decision about who a person is, as the API shows it.</summary>
/// <param name="Result"><c>created</c>, <c>attached</c>, <c>merged</c>, <c>same</c>, <c>refused</c>, or <c>split</c>
/// for a merge that was taken back.</param>
/// <param name="Reason">Why: <c>first_event</c>, <c>neither_id_had_a_person</c>, <c>source_had_no_person</c>,
/// <c>target_had_no_person</c>, <c>both_ids_had_a_person</c>, <c>both_ids_had_this_person</c>; of a refusal
/// <c>already_identified</c>, <c>attach_to_identified</c>, <c>too_many_ids</c>, <c>other_work_domain</c>,
/// <c>undone_before</c>, <c>too_large</c>, <c>illegal_id</c>, <c>blocked_id</c>; of a split <c>taken_back</c>.</param>
/// <param name="Event">The uuid of the event that asked.</param>
/// <param name="Name">The event's name.</param>
/// <param name="DistinctId">The event's distinct id.</param>
/// <param name="Offset">The event's offset in its partition of the inbox.</param>
/// <param name="Timestamp">When the event happened, ISO 8601.</param>
/// <param name="SourceId">The id whose person was to join; null for a birth without a merge.</param>
/// <param name="TargetId">The id whose person was to stay; null for a birth without a merge.</param>
/// <param name="PersonId">The uuid of the person that the event's distinct id had from then on; of a refusal that this
/// person did not ask for, this person's.</param>
/// <param name="AbsorbedPersonId">The uuid of the person that ended, or came back by a split; null unless two persons
/// became one or one became two.</param>
/// <param name="JoinedIds">The distinct ids that came to the person, or left it by a split.</param>
/// <param name="BecameIdentified">The user id if the person became identified by this; else null.</param>
/// <param name="Conflicts">Properties that both persons had with different values.</param>
public sealed record DecisionView(
    string Result,
    string Reason,
    Guid Event,
    string Name,
    string DistinctId,
    long Offset,
    DateTimeOffset Timestamp,
    string? SourceId,
    string? TargetId,
    Guid? PersonId,
    Guid? AbsorbedPersonId,
    IReadOnlyList<string> JoinedIds,
    string? BecameIdentified,
    IReadOnlyList<ConflictView> Conflicts)
{
    /// <summary>When an operator took the merge back, ISO 8601; null for everything but a split.</summary>
    public DateTimeOffset? TakenBackAt { get; init; }
}

/// <summary>A property that both persons of a merge had with different values.</summary>
/// <param name="Property">Its name.</param>
/// <param name="Winner">Whose value stayed: <c>target</c>, or <c>event</c> for the merge event's own.</param>
/// <param name="Value">The value that stayed; null if the event removed it.</param>
/// <param name="SourceValue">The value of the person that joined.</param>
/// <param name="TargetValue">The value of the person that stayed.</param>
public sealed record ConflictView(
    string Property,
    string Winner,
    JsonNode? Value,
    JsonNode? SourceValue,
    JsonNode? TargetValue);

/// <summary>Which merge to take back.</summary>
/// <param name="Event">The uuid of the event that asked for the merge, from the timeline.</param>
public sealed record SplitRequest(Guid Event);

/// <summary>What taking a merge back left.</summary>
/// <param name="Corrections">The uuid under which <c>events/{uuid}</c> shows the correcting messages; null if there was nothing
/// to correct.</param>
/// <param name="Persons">The persons of the merge's source and target now; one that is not born is left out.</param>
public sealed record SplitView(Guid? Corrections, IReadOnlyList<PersonView> Persons);

/// <summary>The HTTP API of operators.</summary>
internal static class Api
{
    internal const int PageMax = 1000;
    private static readonly TimeSpan PersonPatience = TimeSpan.FromSeconds(10);

    public static void MapApi(this IEndpointRouteBuilder routes)
    {
        var connection = routes.MapGroup("/api/v1/connections/{connection}")
            .AddEndpointFilter(new AdminAccess(routes.ServiceProvider.GetRequiredService<PipelineOptions>()))
            .AddEndpointFilter<KnownConnection>()
            .AddEndpointFilter(ExactQuery.CheckAsync)
            .WithTags("connections")
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status404NotFound);
        connection.MapAccountsApi();
        connection.MapViewsApi();
        connection.MapGet("/ledger", LedgerAsync)
            .WithSummary("The books: accepted equals the sum of all the other columns, at any moment.");
        connection.MapEvents();
        connection.MapGet("/persons/{distinctId}", PersonAsync)
            .WithSummary("The person behind a distinct id.");
        connection.MapGet("/persons/{distinctId}/timeline", TimelineAsync)
            .WithSummary("Every decision about who this person is, in order: births, merges and refusals.");
        connection.MapPost("/persons/{distinctId}/split", SplitAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Takes a merge of the timeline back, as if it had never happened. May be repeated.");
        connection.MapErasures();
        connection.MapDelivery();
        connection.MapDeadLetters();
        connection.MapGet("/warnings", WarningsAsync)
            .WithSummary("Ingestion warnings, counted and listed, the newest first; a refused merge is one.");
    }

    private static async Task<Ok<LedgerBalance>> LedgerAsync(
        string connection, PipelineQueries queries, CancellationToken cancellationToken) =>
        TypedResults.Ok(await queries.ReadLedgerAsync(connection, cancellationToken));

    private static async Task<Results<Ok<PersonView>, ProblemHttpResult>> PersonAsync(
        string connection,
        string distinctId,
        HttpContext http,
        IRequiredActor<PeopleRegion> people,
        CancellationToken cancellationToken)
    {
        var home = new PersonId(connection, RawSegment.Behind(http, "persons", distinctId));
        return await AskAsync(people, new GetPerson(home), cancellationToken) switch
        {
            PersonFound found => TypedResults.Ok(ViewOf(found.Person)),
            null => NoAnswer(),
            _ => NoPerson(),
        };
    }

    private static async Task<Results<Ok<TimelineView>, ProblemHttpResult>> TimelineAsync(
        string connection,
        string distinctId,
        HttpContext http,
        IRequiredActor<PeopleRegion> people,
        PersonJournal journal,
        CancellationToken cancellationToken)
    {
        var home = new PersonId(connection, RawSegment.Behind(http, "persons", distinctId));
        var answer = await AskAsync(people, new GetHistory(home), cancellationToken);
        if (answer is not HistoryFound { Person.IsBorn: true } found)
        {
            return answer is null ? NoAnswer() : NoPerson();
        }

        var decisions = await journal.ReadDecisionsAsync(found.Homes.Select(home.Beside), cancellationToken);
        var ids = found.Person.DistinctIds.ToHashSet();
        return TypedResults.Ok(new TimelineView(
            found.Person.PersonUuid,
            [.. decisions.Where(decision => decision.Concerns(ids)).Select(ViewOf)]));
    }

    private static async Task<Results<Ok<SplitView>, ProblemHttpResult>> SplitAsync(
        string connection,
        string distinctId,
        SplitRequest request,
        HttpContext http,
        IRequiredActor<PeopleRegion> people,
        MergeUndo undo,
        CancellationToken cancellationToken)
    {
        if (request.Event == Guid.Empty)
        {
            return TypedResults.Problem(
                "Give the uuid of the event that merged, as the timeline shows it: {\"event\": \"...\"}.",
                statusCode: StatusCodes.Status400BadRequest);
        }

        var region = await people.GetAsync(cancellationToken);
        var home = new PersonId(connection, RawSegment.Behind(http, "persons", distinctId));
        var answer = await undo.UndoAsync(region, home, request.Event, cancellationToken);
        return answer.Result switch
        {
            UndoResult.Done => TypedResults.Ok(
                new SplitView(answer.Corrections, [.. answer.Persons.Select(ViewOf)])),
            UndoResult.NoPerson => NoPerson(),
            UndoResult.NoMerge => TypedResults.Problem(
                "No event with this uuid merged ids of this person.",
                statusCode: StatusCodes.Status404NotFound),
            _ => TypedResults.Problem(
                "The person is being merged or changes too fast. Nothing has happened; try again.",
                statusCode: StatusCodes.Status409Conflict),
        };
    }

    /// <summary>The answer of a person's home; null if none comes in time.</summary>
    internal static async Task<object?> AskAsync(
        IRequiredActor<PeopleRegion> people, IPersonMessage question, CancellationToken cancellationToken)
    {
        var region = await people.GetAsync(cancellationToken);
        try
        {
            return await region.Ask<object>(question, PersonPatience, cancellationToken);
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }

    private static ProblemHttpResult NoAnswer() => TypedResults.Problem(
        "The person does not answer now; ask again.", statusCode: StatusCodes.Status503ServiceUnavailable);

    private static ProblemHttpResult NoPerson() =>
        TypedResults.Problem("There is no person with this distinct id.", statusCode: StatusCodes.Status404NotFound);

    private static async Task<Ok<WarningPage>> WarningsAsync(
        string connection,
        PipelineQueries queries,
        CancellationToken cancellationToken,
        string? type = null,
        long? after = null,
        int limit = 100) =>
        TypedResults.Ok(await queries.ReadWarningsAsync(
            connection, type, after, Math.Clamp(limit, 1, PageMax), cancellationToken));

    internal static PersonView ViewOf(PersonSnapshot person) => new(
        person.PersonUuid,
        [.. person.DistinctIds.Order(StringComparer.Ordinal)],
        person.UserId,
        person.IsIdentified,
        person.CreatedAt,
        new JsonObject(person.Properties
            .OrderBy(property => property.Key, StringComparer.Ordinal)
            .Select(property => KeyValuePair.Create(property.Key, JsonNode.Parse(property.Value.Json)))),
        person.Version)
    {
        Account = AccountLinkView.Of(person.Contact?.Account),
        Stage = StageView.Of(person.Contact?.Stage),
    };

    internal static DecisionView ViewOf(IdentityDecision decision) => new(
        decision.Result is MergeResult.TakenBack ? "split" : decision.Result.ToString().ToLowerInvariant(),
        decision.Reason,
        decision.Event.Uuid,
        decision.Event.Name,
        decision.Event.DistinctId,
        decision.Event.Offset,
        decision.Event.Timestamp,
        decision.Merge?.SourceId,
        decision.Merge?.TargetId,
        decision.StayedUuid,
        decision.AbsorbedUuid,
        decision.JoinedIds,
        decision.BecameIdentified,
        [
            .. decision.Conflicts.Select(conflict => new ConflictView(
                conflict.Name,
                conflict.Winner.ToString().ToLowerInvariant(),
                conflict.Value is { } value ? JsonNode.Parse(value.Json) : null,
                JsonNode.Parse(conflict.SourceValue.Json),
                JsonNode.Parse(conflict.TargetValue.Json))),
        ])
    {
        TakenBackAt = decision.TakenBackAt,
    };

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
