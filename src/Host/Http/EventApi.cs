using System.Collections.Immutable;
using System.Text.Json;
using Akka.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Host.Http;

/// <summary>The complete story of an event.</summary>
/// <param name="Uuid">The event.</param>
/// <param name="State"><c>accepted</c> (it is in the inbox and not decided yet), <c>pending</c>, <c>parked</c>, <c>delivered</c>,
/// <c>dead</c>, <c>discarded</c>, <c>coalesced</c>, <c>skipped</c>, <c>suppressed</c>, <c>filtered</c> or <c>refused</c>.</param>
/// <param name="Reason">Why, when nothing was sent; else empty.</param>
/// <param name="Door">Through which door it came: <c>capture</c>, <c>webhook</c>, or <c>api</c> for corrections.</param>
/// <param name="ReceivedAt">When, ISO 8601.</param>
/// <param name="Partition">Its partition of the inbox.</param>
/// <param name="Offset">Its offset there.</param>
/// <param name="DistinctId">Under which id it was captured; null if it names nobody, or somebody erased. Of a correction, the id
/// that its messages name.</param>
/// <param name="Event">Its name, cut after 200 characters; null if its person is erased, and of corrections.</param>
/// <param name="MappingNow">How the connection makes messages of events now: <c>contacts</c> or <c>plugin</c>. It may have been
/// another one when this event was mapped; the bodies are those of that time.</param>
/// <param name="Warnings">PostHog's ingestion warnings, each with <c>type</c> and <c>details</c>.</param>
/// <param name="Person">The person it belongs to now; null if it names nobody, or nobody who is still there.</param>
/// <param name="Messages">What it became, in sending order; empty once the outbox's retention is over.</param>
/// <param name="Others">Other events that were sent under the same uuid, each with its own story; usually none.</param>
public sealed record EventView(
    Guid Uuid,
    string State,
    string Reason,
    string Door,
    DateTimeOffset ReceivedAt,
    int Partition,
    long Offset,
    string? DistinctId,
    string? Event,
    string MappingNow,
    JsonElement Warnings,
    EventPersonView? Person,
    IReadOnlyList<MessageStory> Messages,
    IReadOnlyList<EventView> Others);

/// <summary>The person of an event, and why it is this one.</summary>
/// <param name="PersonId">PostHog's person uuid.</param>
/// <param name="UserId">The id that stands for the person at Variance now; null while anonymous.</param>
/// <param name="FoundBy">The id by which the person was found: the one that the event was captured under.</param>
/// <param name="Why"><c>user_id</c>: found by the id that stands for it; <c>merged</c>: found by another id of an identified
/// person; <c>anonymous</c>: nobody asserted an identity.</param>
/// <param name="Account">Its account now, and by which rule; null if it has none.</param>
/// <param name="Decisions">What this event itself decided about who the person is; the timeline has the rest.</param>
public sealed record EventPersonView(
    Guid PersonId,
    string? UserId,
    string FoundBy,
    string Why,
    AccountLinkView? Account,
    IReadOnlyList<DecisionView> Decisions);

/// <summary>The API's call about one event.</summary>
internal static class EventApi
{
    public static void MapEvents(this RouteGroupBuilder connection) =>
        connection.MapGet("/events/{uuid:guid}", EventAsync)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("The complete story of one event.")
            .WithDescription(
                "When it was received and through which door, the person it belongs to and why, what it became or why it was "
                + "filtered, every message with its exact body, and every attempt to deliver it with status, latency and answer. "
                + "An event that is still in the inbox has the state accepted. If different events were sent under one uuid, "
                + "the others are listed too.");

    private static async Task<Results<Ok<EventView>, ProblemHttpResult>> EventAsync(
        string connection,
        Guid uuid,
        PipelineQueries queries,
        PipelineOptions options,
        IRequiredActor<PeopleRegion> people,
        PersonJournal journal,
        CancellationToken cancellationToken)
    {
        var (stories, isAll) = await queries.ReadEventsAsync(connection, uuid, cancellationToken);
        if (stories.IsEmpty && !isAll)
        {
            return TypedResults.Problem(
                "So many events wait to be decided that not all of them were searched. Ask again when they are fewer.",
                statusCode: StatusCodes.Status503ServiceUnavailable);
        }

        if (stories.IsEmpty)
        {
            return TypedResults.Problem(
                "No event with this uuid is known: it was never accepted, or its ledger row has expired.",
                statusCode: StatusCodes.Status404NotFound);
        }

        var mapping = options.Connections[connection].Mapping.ToString().ToLowerInvariant();
        var views = ImmutableArray.CreateBuilder<EventView>(stories.Length);
        foreach (var story in stories)
        {
            var person = story.NamedId is { } id
                ? await PersonOfAsync(new PersonId(connection, id), uuid, people, journal, cancellationToken)
                : null;
            views.Add(ViewOf(story, mapping, person));
        }

        return TypedResults.Ok(views[0] with { Others = [.. views.Skip(1)] });
    }

    private static async Task<EventPersonView?> PersonOfAsync(
        PersonId home,
        Guid uuid,
        IRequiredActor<PeopleRegion> people,
        PersonJournal journal,
        CancellationToken cancellationToken)
    {
        if (await Api.AskAsync(people, new GetHistory(home), cancellationToken) is not HistoryFound found
            || !found.Person.IsBorn)
        {
            return null;
        }

        var decisions = await journal.ReadDecisionsAsync(found.Homes.Select(home.Beside), cancellationToken);
        var ids = found.Person.DistinctIds.ToHashSet();
        return new EventPersonView(
            found.Person.PersonUuid,
            found.Person.UserId,
            home.DistinctId,
            found.Person.UserId is not { } userId ? "anonymous" : userId == home.DistinctId ? "user_id" : "merged",
            AccountLinkView.Of(found.Person.Contact?.Account),
            [
                .. decisions
                    .Where(decision => decision.Event.Uuid == uuid && decision.Concerns(ids))
                    .Select(Api.ViewOf),
            ]);
    }

    private static string ReasonOf(string state) => state switch
    {
        "skipped" => "resumed-without-what-waited",
        "coalesced" => "newer-snapshot-says-as-much",
        _ => "",
    };

    private static EventView ViewOf(EventStory story, string mapping, EventPersonView? person) => new(
        story.Uuid,
        story.State,
        story.Reason.Length > 0 ? story.Reason : ReasonOf(story.State),
        story.Door,
        story.ReceivedAt,
        story.Partition,
        story.Offset,
        story.DistinctId,
        story.Event,
        mapping,
        story.Warnings,
        person,
        story.Messages,
        Others: []);
}
