using Akka.Actor;
using Akka.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Host.Http;

/// <summary>The receipt of an erasure.</summary>
/// <param name="Erasure">Its number.</param>
/// <param name="State"><c>running</c> or <c>done</c>.</param>
/// <param name="RequestedAt">When it was asked for, ISO 8601.</param>
/// <param name="FinishedAt">When all was done; null while it runs.</param>
/// <param name="Ids">How many ids are suppressed by it.</param>
/// <param name="Messages">Messages of the outbox that lost their content.</param>
/// <param name="MessagesNotSent">Of these, messages that waited and will not be sent.</param>
/// <param name="DeadLetters">Dead letters that lost their content.</param>
/// <param name="Warnings">Ingestion warnings that were deleted.</param>
/// <param name="JournalRows">Facts and snapshots that were deleted or rewritten.</param>
/// <param name="Accounts">Accounts that were told to forget the person.</param>
/// <param name="RoutingKeysKept">Ids that had to stay in the journal, because persons that were split off are found through
/// them.</param>
/// <param name="Variance">What Variance still holds.</param>
public sealed record ErasureView(
    long Erasure,
    string State,
    DateTimeOffset RequestedAt,
    DateTimeOffset? FinishedAt,
    long Ids,
    long Messages,
    long MessagesNotSent,
    long DeadLetters,
    long Warnings,
    long JournalRows,
    long Accounts,
    long RoutingKeysKept,
    ErasureAtVarianceView Variance);

/// <summary>What Variance still holds of an erased person.</summary>
/// <param name="Ids">The ids of its contacts there, as far as they are known. Null if none is known, which does not mean that there
/// is none: they are known once all messages were looked at, until ten minutes after the end, and are not kept.</param>
/// <param name="Note">What to do about it.</param>
public sealed record ErasureAtVarianceView(IReadOnlyList<string>? Ids, string Note);

/// <summary>A page of erasures.</summary>
/// <param name="Items">The newest first.</param>
/// <param name="Next">Pass it as <c>after</c> for the next, older page; null on the last one.</param>
public sealed record ErasurePage(IReadOnlyList<ErasureView> Items, long? Next);

/// <summary>Whether an id is suppressed.</summary>
/// <param name="IsSuppressed">Whether what comes for it is neither learnt nor sent.</param>
public sealed record SuppressionView(bool IsSuppressed);

/// <summary>The API's calls about erasing persons.</summary>
internal static class ErasureApi
{
    private const string Note =
        "Variance documents no call that deletes a contact: ask Variance to delete the contacts with these ids.";

    private const string NoteWithoutIds =
        "Variance documents no call that deletes a contact: ask Variance to delete it. Which ids it has there is not known here, "
        + "or not any more: they are told for ten minutes after the end, and are not kept.";

    private const string NoteTooEarly =
        "Variance documents no call that deletes a contact: ask Variance to delete it. Which ids it has there is known once all "
        + "messages were looked at: read the receipt again, at the latest ten minutes after it says that all is done.";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static void MapErasures(this RouteGroupBuilder connection)
    {
        connection.MapDelete("/persons/{distinctId}", EraseAsync)
            .Produces<ErasureView>(StatusCodes.Status202Accepted)
            .WithSummary("Erases the person behind a distinct id, and keeps what comes later from bringing it back.")
            .WithDescription(
                "From the persons, accounts, views, outbox, dead letters and warnings of this connection, by any of the person's "
                + "ids. All its ids are suppressed from then on. Waits up to 20 seconds for the receipt; if it takes longer, the "
                + "answer is 202 and the receipt is where Location says. Either answer has the ids that Variance holds, if they are "
                + "known by then. May be repeated, and may be called before anything is known of the id; what Variance holds is "
                + "null, not empty, where it is not known.");
        connection.MapGet("/erasures", ListAsync).WithSummary("Receipts, the newest first.");
        connection.MapGet("/erasures/{number:long}", FindAsync).WithSummary("The receipt of an erasure.")
            .WithDescription(
                "While it runs, the node that runs it also says which ids Variance holds, as soon as all messages were looked at. "
                + "The finished receipt does so for ten minutes.");
        connection.MapDelete("/erasures/ids/{distinctId}", LiftAsync)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Lets a person begin anew under an id that was erased. Nothing that was erased comes back.");
    }

    private static async Task<Results<Ok<ErasureView>, Accepted<ErasureView>>> EraseAsync(
        string connection,
        string distinctId,
        HttpContext http,
        ErasureDesk desk,
        IRequiredActor<ErasureRunner> runner,
        CancellationToken cancellationToken)
    {
        var home = new PersonId(connection, RawSegment.Behind(http, "persons", distinctId));
        var number = await desk.BeginAsync(home, cancellationToken);
        var held = await AskAsync(runner, new RunErasure(connection, number, Patience), cancellationToken);
        var erasure = (await desk.FindAsync(connection, number, cancellationToken))!;
        return erasure.FinishedAt is not null
            ? TypedResults.Ok(ViewOf(erasure, held))
            : TypedResults.Accepted(
                $"/api/v1/connections/{Uri.EscapeDataString(connection)}/erasures/{number}", ViewOf(erasure, held));
    }

    private static async Task<IReadOnlyList<string>?> AskAsync(
        IRequiredActor<ErasureRunner> runner, object question, CancellationToken cancellationToken)
    {
        var actor = await runner.GetAsync(cancellationToken);
        try
        {
            return (await actor.Ask<ErasureAnswered>(question, 2 * Patience, cancellationToken)).Held;
        }
        catch (AskTimeoutException)
        {
            return null; // the erasure goes on, and has its receipt
        }
    }

    private static async Task<Results<Ok<ErasureView>, ProblemHttpResult>> FindAsync(
        string connection,
        long number,
        ErasureDesk desk,
        IRequiredActor<ErasureRunner> runner,
        CancellationToken cancellationToken) =>
        await desk.FindAsync(connection, number, cancellationToken) is { } erasure
            ? TypedResults.Ok(ViewOf(erasure, await AskAsync(runner, new AskHeld(number), cancellationToken)))
            : TypedResults.Problem(
                "There is no erasure with this number.", statusCode: StatusCodes.Status404NotFound);

    private static async Task<Ok<ErasurePage>> ListAsync(
        string connection,
        ErasureDesk desk,
        CancellationToken cancellationToken,
        long? after = null,
        int limit = 100)
    {
        var rows = Math.Clamp(limit, 1, Api.PageMax);
        var erasures = await desk.ListAsync(connection, after ?? long.MaxValue, rows + 1, cancellationToken);
        return TypedResults.Ok(new ErasurePage(
            [.. erasures.Take(rows).Select(erasure => ViewOf(erasure, held: null))],
            erasures.Count > rows ? erasures[rows - 1].Number : null));
    }

    private static async Task<Results<Ok<SuppressionView>, ProblemHttpResult>> LiftAsync(
        string connection, string distinctId, HttpContext http, ErasureDesk desk, CancellationToken cancellationToken) =>
        await desk.LiftAsync(new PersonId(connection, RawSegment.Behind(http, "ids", distinctId)), cancellationToken) switch
        {
            LiftResult.Lifted => TypedResults.Ok(new SuppressionView(IsSuppressed: false)),
            LiftResult.UnderWay => TypedResults.Problem(
                "An erasure of this id is under way. Wait for its receipt.", statusCode: StatusCodes.Status409Conflict),
            _ => TypedResults.Problem("This id is not erased.", statusCode: StatusCodes.Status404NotFound),
        };

    private static ErasureView ViewOf(Erasure erasure, IReadOnlyList<string>? held) => new(
        erasure.Number,
        erasure.FinishedAt is null ? "running" : "done",
        erasure.CreatedAt,
        erasure.FinishedAt,
        erasure.Counts.Ids,
        erasure.Counts.Messages,
        erasure.Counts.Unsent,
        erasure.Counts.Letters,
        erasure.Counts.Warnings,
        erasure.Counts.Facts,
        erasure.Counts.Accounts,
        erasure.Counts.Routes,
        new ErasureAtVarianceView(held, held is not null ? Note : erasure.Phase <= ErasurePhase.Outbox ? NoteTooEarly : NoteWithoutIds));
}
