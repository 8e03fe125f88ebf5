using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;

namespace VarianceActors.Pipeline.Views;

/// <summary>One entry of the feed that the views are made from.</summary>
/// <param name="At">When it happened.</param>
internal abstract record ViewEntry(DateTimeOffset At);

/// <summary>What was here is erased; the place stays.</summary>
internal sealed record ErasedEntry(DateTimeOffset At) : ViewEntry(At);

/// <summary>What a person did, or became.</summary>
/// <param name="At">When it happened.</param>
/// <param name="Person">The person that the ids belong to; empty: nobody.</param>
/// <param name="Version">The person's version; -1 without a person.</param>
/// <param name="Ids">At least one, the event's own first.</param>
/// <param name="Account">The account at that time; empty for none.</param>
internal sealed record PersonEntry(
    DateTimeOffset At,
    Guid Person,
    long Version,
    ImmutableArray<string> Ids,
    string Account) : ViewEntry(At)
{
    public EventSeen? Event { get; init; }

    public ContactFace? Face { get; init; }

    /// <summary>True if <see cref="Face"/> is null because the person is no contact.</summary>
    public bool IsNoContact { get; init; }

    public ContactMove? Moved { get; init; }

    /// <summary>Contacts that ended by becoming part of the person, in rows of early builds: now each has an entry of its own.</summary>
    public ImmutableArray<Guid> Ended { get; init; } = [];

    public DateTimeOffset? DueAt { get; init; }
}

/// <summary>An event as activity.</summary>
/// <param name="Uuid">The event.</param>
/// <param name="Name">Its name, cut to <see cref="ViewText.NameCharsMax"/>.</param>
/// <param name="Counts">Whether it is activity, and not only news of who somebody is.</param>
/// <param name="IsSeen">Whether it moves when somebody was last seen.</param>
internal readonly record struct EventSeen(Guid Uuid, string Name, bool Counts, bool IsSeen);

/// <summary>A contact as lists show it.</summary>
internal sealed record ContactFace(
    string UserId,
    string? Name,
    string? Email,
    AccountLink? Account,
    StageFace? Stage,
    DateTimeOffset CreatedAt,
    string Properties);

/// <summary>A stage as lists show it.</summary>
internal sealed record StageFace(string Name, DateTimeOffset Since, string Rule, string? By);

/// <summary>What an account became.</summary>
internal sealed record AccountEntry(
    DateTimeOffset At,
    string Id,
    long Version,
    string? Name,
    string? MergedInto,
    StageFace? Stage,
    int Contacts,
    ImmutableArray<string> Domains,
    string Properties) : ViewEntry(At)
{
    public ImmutableArray<AccountStep> Steps { get; init; } = [];
}

/// <summary>A move of an account between stages.</summary>
internal sealed record AccountStep(
    long Version, DateTimeOffset At, string From, DateTimeOffset? Entered, string To, string Rule, string? By);
