using System.Collections.Immutable;
using System.IO.Hashing;
using System.Text;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What a connection makes of its persons: which account they belong to and which stage they are in.</summary>
/// <param name="Matching">How contacts find their account; null: they have none, and no stage.</param>
/// <param name="GroupType">PostHog's group type that stands for accounts; empty means any.</param>
/// <param name="ContactStages">The stages of contacts.</param>
/// <param name="AccountStages">The stages of accounts, of which contacts know their part.</param>
/// <param name="Fingerprint">Changes with every change of the rules.</param>
public sealed record ContactRules(
    AccountMatching? Matching,
    string GroupType,
    StageRules ContactStages,
    StageRules AccountStages,
    ulong Fingerprint)
{
    // Where nobody ever goes back, the end of a window matters only to a rule that begins to hold by it. What accounts make of
    // those who match, contacts do not know.
    private readonly ImmutableArray<StageCondition.Happened> _windows =
    [
        .. ContactStages.Stages.SelectMany(stage => StageCondition.WindowsIn(stage.Condition))
            .Where(window => window.Begins || ContactStages.Policy is StagePolicy.Free)
            .Concat(AccountStages.OverContacts.SelectMany(StageCondition.WindowsIn))
            .Select(window => window.Condition),
    ];

    /// <summary>No accounts and no stages.</summary>
    public static readonly ContactRules None = new(null, "", StageRules.None, StageRules.None, 0);

    /// <summary>The rules of a connection.</summary>
    public static ContactRules Of(
        AccountMatchingOptions matching,
        string groupType,
        StageRules contactStages,
        StageRules accountStages)
    {
        var written = string.Join('\n', (string[])
        [
            groupType, matching.EmailPath, matching.ByEmailDomain ? "on" : "off",
            .. matching.IdPaths, "", .. matching.NamePaths, "",
            .. matching.NoAccountDomains, "", .. matching.AccountDomains,
        ]);
        var fingerprint = XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(written))
            ^ contactStages.Fingerprint
            ^ (accountStages.Fingerprint * 31);
        return new ContactRules(
            new AccountMatching(matching),
            groupType,
            contactStages,
            accountStages,
            fingerprint == 0 ? 1 : fingerprint);
    }

    /// <summary>Whether it matters when a person is looked at.</summary>
    internal bool HasStages => !ContactStages.Stages.IsEmpty || !AccountStages.Stages.IsEmpty;

    /// <summary>What an event says of a group.</summary>
    public GroupReading GroupOf(CaptureEvent captured) =>
        Matching is null ? GroupReading.None : GroupReading.Of(captured, GroupType);

    /// <summary>Into which slices of time an event is counted.</summary>
    public TallyUnits TallyOf(CaptureEvent captured)
    {
        var units = UnitsOf(ContactStages, captured.Event) | UnitsOf(AccountStages, captured.Event);
        // A clock that runs ahead by more than a day would push everything else out of the windows.
        return captured.Timestamp > captured.ReceivedAt.AddDays(1) ? TallyUnits.None : units;
    }

    /// <summary>Whether a person must be looked at although its event changed nothing.</summary>
    internal bool MustLook(ContactState? state, bool isIdentified) => Matching is not null
        && (state is null ? isIdentified : state.LookedWith != Fingerprint || !state.Tallies.IsEmpty);

    /// <summary>What the rules make of a person now; null if that is what they made of it before.</summary>
    /// <param name="state">The person, with everything that the event taught.</param>
    /// <param name="properties">Its properties, likewise.</param>
    /// <param name="isIdentified">Stages and most account rules are for contacts.</param>
    /// <param name="now">Where windows of time end.</param>
    internal ContactTurn? Look(
        ContactState? state,
        ImmutableDictionary<string, JsonValue> properties,
        bool isIdentified,
        DateTimeOffset now)
    {
        if (Matching is null)
        {
            return null;
        }

        state ??= ContactState.Unseen;
        var before = state.Turn;
        var account = Matching.Match(state.Group, properties, isIdentified).Link;
        var view = new StageView(properties, state.Tallies, now, 0, []);
        var stage = isIdentified ? ContactStages.Move(before?.Stage, view) : before?.Stage;
        var matches = isIdentified ? AccountStages.MatchesOf(view) : 0;
        var matchesOf = isIdentified && !AccountStages.OverContacts.IsEmpty ? AccountStages.Fingerprint : 0;
        var turn = new ContactTurn(
            account,
            stage,
            stage?.Name is { } name ? ContactStages.PlaceOf(name) : -1,
            matches,
            matchesOf,
            isIdentified ? Matching.WorkDomainOf(properties) : null,
            isIdentified ? Matching.NameOf(properties) : null)
        {
            LookedAt = before?.LookedAt,
            LookedAs = before?.LookedAs,
        };
        var isNothing = before is null && account is null && stage is null && matches == 0;
        return isNothing || turn == before ? null : turn with { LookedAt = null, LookedAs = null };
    }

    /// <summary>What a contact is after a pin, or after one was taken away; null if nobody has looked at it and there
    /// is nothing to take away.</summary>
    internal ContactTurn? Pin(PersonProfile profile, PinContactStage pin)
    {
        var held = profile.Contact?.Turn;
        if (pin.Stage is { } stage)
        {
            var place = held?.Stage is { IsPinned: true } already && already.Name == stage
                ? already
                : StagePlace.Pinned(held?.Stage, stage, pin.By, pin.At);
            return (held ?? new ContactTurn(null, null, -1, 0, 0, null, null)) with
            {
                Stage = place,
                Rank = ContactStages.PlaceOf(stage),
            };
        }

        if (held?.Stage is not { IsPinned: true } pinned)
        {
            return held;
        }

        var freed = held with { Stage = pinned.Freed(pin.By, pin.At) };
        var state = profile.Contact! with { Turn = freed };
        var turn = Look(state, profile.Properties, profile.IsIdentified, pin.At) ?? freed;
        return turn with { Stage = turn.Stage! with { FreedBy = pin.By } };
    }

    /// <summary>When an event leaves a window that a rule looks at, so that the rule does not hold any more; null for
    /// never. No event need come for that.</summary>
    /// <param name="state">The contact.</param>
    /// <param name="after">When it was looked at last.</param>
    public DateTimeOffset? DueAt(ContactState? state, DateTimeOffset after)
    {
        if (state is null || state.Tallies.IsEmpty)
        {
            return null;
        }

        var due = (DateTimeOffset?)null;
        foreach (var happened in _windows)
        {
            var ends = EventTally.EndOf(state.Tallies, happened.Event, happened.Unit, happened.Window, happened.Times);
            due = ends > after && (due is null || ends < due) ? ends : due;
        }

        return due;
    }

    private static TallyUnits UnitsOf(StageRules rules, string name) =>
        rules.Counted.IsEmpty ? TallyUnits.None : rules.Counted.GetValueOrDefault(name);
}
