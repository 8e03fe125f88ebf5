using System.Collections.Immutable;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Host.Http;

/// <summary>The API's calls about dead letters.</summary>
internal static class DeadLetterApi
{
    private const int ReasonCharactersMax = 500;

    public static void MapDeadLetters(this RouteGroupBuilder connection)
    {
        var letters = connection.MapGroup("/dead-letters");
        letters.MapGet("", ListAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("Messages that could not be delivered, in the order they came.")
            .WithDescription(
                "Every parameter narrows the list. state is dead unless given; any shows letters in every state. distinct_id is "
                + "any id of a person. since and until are about the last attempt. Pages by after.");
        letters.MapGet("/{id:long}", FindAsync)
            .WithSummary("One dead letter, whole, with every attempt to deliver it.");
        letters.MapPost("/{id:long}/replay", ReplayAsync)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Sends one dead letter again, with the same id and the same bytes.")
            .WithDescription(
                "It goes to the end of its person's messages. Asked for twice, it is sent once. A letter that names an id which "
                + "an alias has given up since is refused (409), because it would make that contact again, and so is one that "
                + "would put old values back; force=true sends it. One whose values were all told anew since is superseded, and "
                + "not sent.");
        letters.MapPost("/replay", ReplayManyAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("Sends many dead letters again, by a filter or all: a job that survives restarts.");
        letters.MapPost("/{id:long}/discard", DiscardAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Gives one dead letter up. It stays in the books, with the reason.");
        letters.MapPost("/discard", DiscardManyAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("Gives many dead letters up, by a filter or all: a job that survives restarts.");
        connection.MapGet("/replays", ReplaysAsync).WithSummary("Jobs that send dead letters again, the newest first.");
        connection.MapGet("/replays/{job:long}", ReplayJobAsync).WithSummary("How far a job is that sends dead letters again.");
        connection.MapPost("/replays/{job:long}/cancel", CancelReplayAsync)
            .WithSummary("Stops a job that sends dead letters again. What it has put back is sent; the rest stays dead.");
        connection.MapGet("/discards", DiscardsAsync).WithSummary("Jobs that give dead letters up, the newest first.");
        connection.MapGet("/discards/{job:long}", DiscardJobAsync).WithSummary("How far a job is that gives dead letters up.");
        connection.MapPost("/discards/{job:long}/cancel", CancelDiscardAsync)
            .WithSummary("Stops a job that gives dead letters up. What it has given up stays so.");
    }

    private static async Task<Results<Ok<DeadLetterPage>, ProblemHttpResult>> ListAsync(
        string connection,
        [AsParameters] DeadLetterQuery query,
        DeadLetterDesk desk,
        IRequiredActor<PeopleRegion> people,
        CancellationToken cancellationToken)
    {
        if (!TryReadState(query.State, out var state))
        {
            return Bad("state is dead, replaying, delivered, discarded, superseded or any.");
        }

        var (filter, fault) = await ReadAsync(query.ToCriteria(), connection, people, cancellationToken);
        if (fault is not null)
        {
            return fault;
        }

        var limit = Math.Clamp(query.Limit ?? 100, 1, Api.PageMax);
        var rows = filter is null
            ? []
            : await desk.ListAsync(connection, state, filter, query.After ?? 0, limit + 1, cancellationToken);
        var items = rows.Take(limit).Select(DeadLetterView.Of).ToImmutableArray();
        return TypedResults.Ok(new DeadLetterPage(items, await NextAsync()));

        // A page that ended early because its letters are large is followed by one that begins behind it.
        async Task<long?> NextAsync() =>
            items.Length > 0
            && (await desk.ListAsync(connection, state, filter!, items[^1].Id, 1, cancellationToken)).Count > 0
                ? items[^1].Id
                : null;
    }

    private static async Task<Results<Ok<DeadLetterDetail>, ProblemHttpResult>> FindAsync(
        string connection, long id, DeadLetterDesk desk, CancellationToken cancellationToken) =>
        await desk.FindAsync(connection, id, cancellationToken) is { } story
            ? TypedResults.Ok(new DeadLetterDetail(
                DeadLetterView.Of(story.Letter),
                Convert.ToBase64String(story.Letter.Message.Body.Span),
                [.. story.Sendings.SelectMany(sending => AttemptStory.Of(sending.Attempts, sending.ReplayedAt))],
                [
                    .. story.Sendings
                        .Where(sending => sending.ReplayedAt is not null)
                        .Select(sending => new ReplayView(sending.ReplayedAt!.Value, sending.Job)),
                ]))
            : NoLetter();

    private static async Task<Results<Ok<DeadLetterView>, ProblemHttpResult>> ReplayAsync(
        string connection,
        long id,
        DeadLetterDesk desk,
        IRequiredActor<DeliveryRegion> delivery,
        CancellationToken cancellationToken,
        bool force = false)
    {
        if (await desk.ReplayAsync(connection, id, force, cancellationToken) is not var (refusal, touched))
        {
            return NoLetter();
        }

        foreach (var partition in touched)
        {
            delivery.ActorRef.Tell(new DeliveryMessage.Poke(new DeliveryId(connection, partition)));
        }

        return await AnswerAsync(connection, id, refusal, desk, cancellationToken);
    }

    private static async Task<Results<Ok<DeadLetterView>, ProblemHttpResult>> DiscardAsync(
        string connection, long id, DiscardRequest request, DeadLetterDesk desk, CancellationToken cancellationToken)
    {
        if (!IsReason(request.Reason))
        {
            return BadReason();
        }

        return await desk.DiscardAsync(connection, id, request.Reason, cancellationToken) is { } refusal
            ? await AnswerAsync(connection, id, refusal, desk, cancellationToken)
            : NoLetter();
    }

    private static async Task<Results<Ok<DeadLetterView>, ProblemHttpResult>> AnswerAsync(
        string connection, long id, LetterRefusal refusal, DeadLetterDesk desk, CancellationToken cancellationToken) =>
        refusal switch
        {
            LetterRefusal.NotDead => TypedResults.Problem(
                "It is on its way, delivered, discarded or superseded already; nothing has happened.",
                statusCode: StatusCodes.Status409Conflict),
            LetterRefusal.IdGivenUp => TypedResults.Problem(
                "The id that it names was given up by an alias since: sending it would make that contact again. "
                + "Nothing has happened; force=true sends it all the same.",
                statusCode: StatusCodes.Status409Conflict),
            LetterRefusal.Overtaken => TypedResults.Problem(
                "Newer values of the same contact or account were delivered since: sending it would put old ones back. "
                + "Nothing has happened; force=true sends it all the same.",
                statusCode: StatusCodes.Status409Conflict),
            _ => TypedResults.Ok(DeadLetterView.Of((await desk.FindAsync(connection, id, cancellationToken))!.Letter)),
        };

    private static Task<Results<Accepted<DeadLetterJobView>, ProblemHttpResult>> ReplayManyAsync(
        string connection,
        ReplayRequest request,
        [AsParameters] JobParts parts,
        CancellationToken cancellationToken,
        bool force = false) =>
        StartAsync(
            connection, DeadLetterJobKind.Replay, request.Filter, request.All, force, null, parts, cancellationToken);

    private static async Task<Results<Accepted<DeadLetterJobView>, ProblemHttpResult>> DiscardManyAsync(
        string connection,
        DiscardManyRequest request,
        [AsParameters] JobParts parts,
        CancellationToken cancellationToken) =>
        IsReason(request.Reason)
            ? await StartAsync(
                connection, DeadLetterJobKind.Discard, request.Filter, request.All, false, request.Reason, parts,
                cancellationToken)
            : BadReason();

    private static async Task<Results<Accepted<DeadLetterJobView>, ProblemHttpResult>> StartAsync(
        string connection,
        DeadLetterJobKind kind,
        DeadLetterCriteria? criteria,
        bool all,
        bool force,
        string? note,
        JobParts parts,
        CancellationToken cancellationToken)
    {
        if (all == (criteria is not null && criteria != new DeadLetterCriteria()))
        {
            return Bad("Give a filter with at least one condition, or all = true, and not both.");
        }

        var (filter, fault) = await ReadAsync(
            criteria ?? new DeadLetterCriteria(), connection, parts.People, cancellationToken);
        if (filter is null)
        {
            return fault ?? Bad("There is no person with this distinct id.");
        }

        var job = await parts.Desk.StartAsync(connection, kind, filter, force, note, cancellationToken);
        parts.Jobs.ActorRef.Tell(DeadLetterJobs.Look.Instance);
        var name = kind == DeadLetterJobKind.Replay ? "replays" : "discards";
        return TypedResults.Accepted(
            $"/api/v1/connections/{connection}/{name}/{job.Id}", DeadLetterJobView.Of(job, parts.Time.GetUtcNow()));
    }

    private static Task<Ok<DeadLetterJobPage>> ReplaysAsync(
        string connection,
        DeadLetterDesk desk,
        TimeProvider time,
        CancellationToken cancellationToken,
        long? after = null,
        int limit = 100) =>
        JobsAsync(connection, DeadLetterJobKind.Replay, desk, time, after, limit, cancellationToken);

    private static Task<Ok<DeadLetterJobPage>> DiscardsAsync(
        string connection,
        DeadLetterDesk desk,
        TimeProvider time,
        CancellationToken cancellationToken,
        long? after = null,
        int limit = 100) =>
        JobsAsync(connection, DeadLetterJobKind.Discard, desk, time, after, limit, cancellationToken);

    private static async Task<Ok<DeadLetterJobPage>> JobsAsync(
        string connection,
        DeadLetterJobKind kind,
        DeadLetterDesk desk,
        TimeProvider time,
        long? after,
        int limit,
        CancellationToken cancellationToken)
    {
        var wanted = Math.Clamp(limit, 1, Api.PageMax);
        var jobs = await desk.ListJobsAsync(connection, kind, after ?? long.MaxValue, wanted + 1, cancellationToken);
        var now = time.GetUtcNow();
        return TypedResults.Ok(new DeadLetterJobPage(
            [.. jobs.Take(wanted).Select(job => DeadLetterJobView.Of(job, now))],
            jobs.Count > wanted ? jobs[wanted - 1].Id : null));
    }

    private static Task<Results<Ok<DeadLetterJobView>, ProblemHttpResult>> ReplayJobAsync(
        string connection, long job, DeadLetterDesk desk, TimeProvider time, CancellationToken cancellationToken) =>
        AnswerAsync(desk.FindJobAsync(connection, DeadLetterJobKind.Replay, job, cancellationToken), time);

    private static Task<Results<Ok<DeadLetterJobView>, ProblemHttpResult>> DiscardJobAsync(
        string connection, long job, DeadLetterDesk desk, TimeProvider time, CancellationToken cancellationToken) =>
        AnswerAsync(desk.FindJobAsync(connection, DeadLetterJobKind.Discard, job, cancellationToken), time);

    private static Task<Results<Ok<DeadLetterJobView>, ProblemHttpResult>> CancelReplayAsync(
        string connection, long job, DeadLetterDesk desk, TimeProvider time, CancellationToken cancellationToken) =>
        AnswerAsync(desk.CancelJobAsync(connection, DeadLetterJobKind.Replay, job, cancellationToken), time);

    private static Task<Results<Ok<DeadLetterJobView>, ProblemHttpResult>> CancelDiscardAsync(
        string connection, long job, DeadLetterDesk desk, TimeProvider time, CancellationToken cancellationToken) =>
        AnswerAsync(desk.CancelJobAsync(connection, DeadLetterJobKind.Discard, job, cancellationToken), time);

    private static async Task<Results<Ok<DeadLetterJobView>, ProblemHttpResult>> AnswerAsync(
        Task<DeadLetterJob?> found, TimeProvider time) =>
        await found is { } job
            ? TypedResults.Ok(DeadLetterJobView.Of(job, time.GetUtcNow()))
            : TypedResults.Problem("There is no such job.", statusCode: StatusCodes.Status404NotFound);

    /// <summary>The filter that criteria mean; neither a filter nor a fault if they name a person that is not there.</summary>
    private static async Task<(DeadLetterFilter? Filter, ProblemHttpResult? Fault)> ReadAsync(
        DeadLetterCriteria criteria,
        string connection,
        IRequiredActor<PeopleRegion> people,
        CancellationToken cancellationToken)
    {
        MessageKind? kind = null;
        if (criteria.Type is { } type)
        {
            kind = Enum.GetValues<MessageKind>()
                .Cast<MessageKind?>()
                .FirstOrDefault(one => one.ToString()!.Equals(type, StringComparison.OrdinalIgnoreCase));
            if (kind is null)
            {
                return (null, Bad("type is alias, identify, group, page, screen or track."));
            }
        }

        var filter = new DeadLetterFilter(
            criteria.Reason, criteria.Status, kind, criteria.Event, criteria.MessageId, criteria.Uuid, Lane: null,
            criteria.Since, criteria.Until);
        if (criteria.DistinctId is not { } distinctId)
        {
            return (filter, null);
        }

        return await Api.AskAsync(people, new GetHistory(new PersonId(connection, distinctId)), cancellationToken) switch
        {
            HistoryFound found => (filter with { Lane = found.Root.Priority.Lane }, null),
            null => (null, TypedResults.Problem(
                "The person does not answer now; ask again.", statusCode: StatusCodes.Status503ServiceUnavailable)),
            _ => (null, null),
        };
    }

    private static bool TryReadState(string? text, out DeadLetterState? state)
    {
        state = Enum.GetValues<DeadLetterState>()
            .Cast<DeadLetterState?>()
            .FirstOrDefault(one => one.ToString()!.Equals(text ?? "dead", StringComparison.OrdinalIgnoreCase));
        return state is not null || "any".Equals(text, StringComparison.OrdinalIgnoreCase);
    }

    private static bool IsReason(string? reason) =>
        !string.IsNullOrWhiteSpace(reason) && reason.Length <= ReasonCharactersMax && !reason.Any(char.IsControl);

    private static ProblemHttpResult BadReason() =>
        Bad($"Give a reason of 1 to {ReasonCharactersMax} characters, in one line.");

    private static ProblemHttpResult Bad(string fault) =>
        TypedResults.Problem(fault, statusCode: StatusCodes.Status400BadRequest);

    private static ProblemHttpResult NoLetter() =>
        TypedResults.Problem("There is no dead letter of this number.", statusCode: StatusCodes.Status404NotFound);

    /// <summary>What starting a job takes.</summary>
    internal sealed record JobParts(
        DeadLetterDesk Desk, IRequiredActor<PeopleRegion> People, IRequiredActor<DeadLetterJobs> Jobs, TimeProvider Time);
}
