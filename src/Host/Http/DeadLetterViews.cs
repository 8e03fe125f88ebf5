using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.DeadLetters;

namespace VarianceActors.Host.Http;

/// <summary>A dead letter, as the API shows it.</summary>
/// <param name="Id">Its number; it keeps it through replays. Pass it as <c>after</c> to go on behind it.</param>
/// <param name="State"><c>dead</c>, <c>replaying</c>, <c>delivered</c>, <c>discarded</c>, or <c>superseded</c>: it need not
/// be sent any more, because everything that it says was told anew since.</param>
/// <param name="Uuid">The event.</param>
/// <param name="Type">The Segment call.</param>
/// <param name="Event">The name of a track call; else null.</param>
/// <param name="MessageId">The message id.</param>
/// <param name="Reason">Why it is here.</param>
/// <param name="Status">The status of the last answer; null if there was none.</param>
/// <param name="Response">The first part of the last answer's body, as text.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="FirstAttemptAt">When it was sent first.</param>
/// <param name="LastAttemptAt">When it was sent last.</param>
/// <param name="ChangedAt">When its state changed last.</param>
/// <param name="Note">Why it was discarded or superseded, or why its last replay was refused; else null.</param>
/// <param name="Hint">What the reason means, and what can be done.</param>
/// <param name="Body">The whole message.</param>
public sealed record DeadLetterView(
    long Id,
    string State,
    Guid Uuid,
    string Type,
    string? Event,
    string MessageId,
    string Reason,
    int? Status,
    string Response,
    int Attempts,
    DateTimeOffset FirstAttemptAt,
    DateTimeOffset LastAttemptAt,
    DateTimeOffset ChangedAt,
    string? Note,
    string Hint,
    JsonElement Body)
{
    internal static DeadLetterView Of(DeadLetter letter) => new(
        letter.Id,
        letter.State.ToString().ToLowerInvariant(),
        letter.Uuid,
        letter.Message.Kind.ToString().ToLowerInvariant(),
        letter.Event,
        letter.Message.MessageId,
        letter.Reason,
        letter.Status,
        Encoding.UTF8.GetString(letter.Response),
        letter.Attempts,
        letter.FirstAttemptAt,
        letter.LastAttemptAt,
        letter.ChangedAt,
        letter.Note,
        DeliveryHints.For(letter.Reason),
        letter.Message.ReadBody().RootElement);
}

/// <summary>A page of dead letters.</summary>
/// <param name="Items">In the order they came.</param>
/// <param name="Next">Pass it as <c>after</c> for the next page; null on the last one.</param>
public sealed record DeadLetterPage(IReadOnlyList<DeadLetterView> Items, long? Next);

/// <summary>A dead letter with every attempt to deliver it.</summary>
/// <param name="Letter">The letter.</param>
/// <param name="BodyBase64">The exact bytes of its body.</param>
/// <param name="Story">Every attempt, in order; those of a replay name when it was put back.</param>
/// <param name="Replays">When it was put back into the outbox, and by which job (null: alone).</param>
public sealed record DeadLetterDetail(
    DeadLetterView Letter,
    string BodyBase64,
    IReadOnlyList<AttemptStory> Story,
    IReadOnlyList<ReplayView> Replays);

/// <summary>A dead letter was put back into the outbox.</summary>
/// <param name="At">When.</param>
/// <param name="Job">By which job; null if alone.</param>
public sealed record ReplayView(DateTimeOffset At, long? Job);

/// <summary>Which dead letters are meant: those in the state <c>dead</c> that meet every condition that is given.</summary>
/// <param name="Reason">Why it is a dead letter, such as <c>status-400</c>.</param>
/// <param name="Status">The status of the last answer.</param>
/// <param name="Type">The Segment call: <c>alias</c>, <c>identify</c>, <c>group</c>, <c>page</c>, <c>screen</c> or
/// <c>track</c>.</param>
/// <param name="Event">The name of a track call.</param>
/// <param name="MessageId">The message id.</param>
/// <param name="Uuid">The event.</param>
/// <param name="DistinctId">Any id of the person.</param>
/// <param name="Since">It was sent last at this time or later, ISO 8601.</param>
/// <param name="Until">It was sent last before this time, ISO 8601.</param>
public sealed record DeadLetterCriteria(
    string? Reason = null,
    int? Status = null,
    string? Type = null,
    string? Event = null,
    string? MessageId = null,
    Guid? Uuid = null,
    string? DistinctId = null,
    DateTimeOffset? Since = null,
    DateTimeOffset? Until = null);

/// <summary>Which dead letters are to be sent again.</summary>
/// <param name="Filter">Those that meet it; at least one condition.</param>
/// <param name="All">True instead of a filter: all of them.</param>
public sealed record ReplayRequest(DeadLetterCriteria? Filter = null, bool All = false);

/// <summary>Why a dead letter is given up.</summary>
/// <param name="Reason">For whoever reads the books later; 1 to 500 characters.</param>
public sealed record DiscardRequest(string Reason);

/// <summary>Which dead letters are to be given up, and why.</summary>
/// <param name="Reason">For whoever reads the books later; 1 to 500 characters.</param>
/// <param name="Filter">Those that meet it; at least one condition.</param>
/// <param name="All">True instead of a filter: all of them.</param>
public sealed record DiscardManyRequest(string Reason, DeadLetterCriteria? Filter = null, bool All = false);

/// <summary>A job about many dead letters, and how far it is.</summary>
/// <param name="Id">Its number.</param>
/// <param name="State"><c>running</c>, <c>done</c> (every letter has been looked at) or <c>cancelled</c>. What was put back may
/// still wait for its delivery; <c>waiting</c> says how much of it does.</param>
/// <param name="Total">How many letters met the filter when it was asked for.</param>
/// <param name="Done">How many were put back into the outbox, or discarded.</param>
/// <param name="Refused">How many were not, because they would bring a contact or old values back; each has a note.</param>
/// <param name="Delivered">Of those put back, how many are delivered.</param>
/// <param name="Dead">Of those put back, how many died again.</param>
/// <param name="Superseded">Of those done, how many need not be sent any more.</param>
/// <param name="Waiting">Of those put back, how many wait for their delivery.</param>
/// <param name="PerSecond">Letters looked at per second so far.</param>
/// <param name="Force">Whether letters are sent all the same that would bring a contact or old values back.</param>
/// <param name="Reason">Why letters are discarded; null for a replay.</param>
/// <param name="CreatedAt">When it was asked for.</param>
/// <param name="FinishedAt">When the last letter had been looked at; null while it runs.</param>
public sealed record DeadLetterJobView(
    long Id,
    string State,
    long Total,
    long Done,
    long Refused,
    long Delivered,
    long Dead,
    long Superseded,
    long Waiting,
    double PerSecond,
    bool Force,
    string? Reason,
    DateTimeOffset CreatedAt,
    DateTimeOffset? FinishedAt)
{
    internal static DeadLetterJobView Of(DeadLetterJob job, DateTimeOffset now) => new(
        job.Id,
        job.FinishedAt is null ? "running" : job.CancelledAt is null ? "done" : "cancelled",
        job.Total,
        job.Done,
        job.Refused,
        job.Delivered,
        job.Dead,
        job.Superseded,
        job.Kind == DeadLetterJobKind.Replay ? job.Done - job.Delivered - job.Dead - job.Superseded : 0,
        Math.Round((job.Done + job.Refused) / Math.Max(1, ((job.FinishedAt ?? now) - job.CreatedAt).TotalSeconds), 1),
        job.Force,
        job.Note,
        job.CreatedAt,
        job.FinishedAt);
}

/// <summary>Jobs, the newest first.</summary>
/// <param name="Items">The jobs.</param>
/// <param name="Next">Pass it as <c>after</c> for the next, older page; null on the last one.</param>
public sealed record DeadLetterJobPage(IReadOnlyList<DeadLetterJobView> Items, long? Next);
