using System.Collections.Frozen;
using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Views;

/// <summary>What the views of a connection take from its events and persons.</summary>
public sealed class ViewRules
{
    /// <summary>The word for events that came with <c>historical_migration</c>.</summary>
    public const string Historical = "historical";

    /// <summary>The word for events that came through the webhook.</summary>
    public const string Webhook = "webhook";

    /// <summary>The word for events that came from SDKs.</summary>
    public const string Capture = "capture";

    /// <summary>What stands before the name of a library (<c>$lib</c>).</summary>
    public const string LibraryPrefix = "lib:";

    private static readonly TraitPath NamePath = new("name");
    private static readonly TraitPath FirstNamePath = new("first_name");
    private static readonly TraitPath LastNamePath = new("last_name");
    private readonly TraitPath _emailPath;
    private readonly FrozenSet<string> _unseen;
    private readonly bool _byLibrary;

    /// <summary>The rules that options ask for.</summary>
    public ViewRules(ConnectionOptions options)
    {
        _emailPath = new TraitPath(options.Accounts.EmailPath);
        _unseen = options.LastSeenNotFrom.ToFrozenSet(StringComparer.Ordinal);
        _byLibrary = _unseen.Any(source => source.StartsWith(LibraryPrefix, StringComparison.Ordinal));
    }

    /// <summary>The entries of an event that was decided.</summary>
    /// <param name="captured">The event; has a distinct id.</param>
    /// <param name="news">What it taught; null without a person.</param>
    internal IEnumerable<PersonEntry> Of(CaptureEvent captured, PersonNews? news)
    {
        var counts = IsActivity(captured.Event);
        var seen = new EventSeen(captured.Uuid, ViewText.Cut(captured.Event), counts, counts && Sees(captured));
        return Of(captured.Timestamp, news ?? Nobody(captured.DistinctId), seen);
    }

    /// <summary>The entries of a person that changed, and of those that ended by it.</summary>
    /// <param name="at">When.</param>
    /// <param name="news">What it became.</param>
    /// <param name="seen">The event by which; null for none.</param>
    internal IEnumerable<PersonEntry> Of(DateTimeOffset at, PersonNews news, EventSeen? seen = null)
    {
        var person = news.Shown;
        ImmutableArray<ContactEnded> all = news.Ended.IsDefault ? [] : news.Ended;
        yield return new PersonEntry(at, news.Person, news.Version, news.Ids, news.Account ?? "")
        {
            Event = seen,
            Face = person is { IsIdentified: true, UserId: not null } ? FaceOf(person) : null,
            IsNoContact = person is { IsIdentified: false } || news.Person == Guid.Empty,
            Moved = news.Moved,
            Ended = [.. all.Where(ended => ended.Version is null).Select(ended => ended.Person)],
            DueAt = news.DueAt,
        };
        foreach (var ended in all)
        {
            if (ended.Version is not null)
            {
                yield return new PersonEntry(at, ended.Person, -1, news.Ids[..1], "") { Moved = ended.ToMove() };
            }
        }
    }

    /// <summary>A contact as lists show it.</summary>
    internal ContactFace FaceOf(PersonSnapshot person) => new(
        person.UserId!,
        NameOf(person),
        TraitPath.TextOf(_emailPath.Read(person.Properties))?.Trim(),
        person.Contact?.Account,
        person.Contact?.Stage is { Name: { } stage } place
            ? new StageFace(stage, place.Since, place.Rule, place.By)
            : null,
        person.CreatedAt,
        ViewText.ObjectOf(person.Properties));

    private static PersonNews Nobody(string distinctId) => new(Guid.Empty, -1, [distinctId], null);

    // Who somebody is, is no activity: a server that synchronises traits at night would keep everybody active.
    private static bool IsActivity(string name) => name is not (
        EventNames.Identify or EventNames.Set or EventNames.GroupIdentify
        or EventNames.CreateAlias or EventNames.MergeDangerously);

    private static string? NameOf(PersonSnapshot person)
    {
        if (TraitPath.TextOf(NamePath.Read(person.Properties))?.Trim() is { Length: > 0 } name)
        {
            return name;
        }

        var first = TraitPath.TextOf(FirstNamePath.Read(person.Properties))?.Trim();
        var last = TraitPath.TextOf(LastNamePath.Read(person.Properties))?.Trim();
        var whole = $"{first} {last}".Trim();
        return whole.Length == 0 ? null : whole;
    }

    private bool Sees(CaptureEvent captured)
    {
        if (_unseen.Count == 0)
        {
            return true;
        }

        var isUnseen = (captured.Notes.HasFlag(CaptureNotes.Historical) && _unseen.Contains(Historical))
            || _unseen.Contains(captured.Door is Door.Webhook ? Webhook : Capture)
            || (_byLibrary && _unseen.Contains(LibraryPrefix + LibraryOf(captured)));
        return !isUnseen;
    }

    private static string? LibraryOf(CaptureEvent captured) => new EventFields(captured).Property("$lib"u8).AsString();
}
