using System.Collections.Immutable;
using System.IO.Hashing;
using System.Text;
using System.Text.Json.Serialization;

namespace VarianceActors.Pipeline.Stages;

/// <summary>Whether a stage may be left backwards.</summary>
public enum StagePolicy : byte
{
    /// <summary>Only towards more advanced stages.</summary>
    ForwardOnly,

    /// <summary>Wherever the rules say, out of all stages too.</summary>
    Free,
}

/// <summary>In which stage somebody is, since when and why.</summary>
/// <param name="Name">The stage; null for none.</param>
/// <param name="Since">When it was entered.</param>
/// <param name="Rule">The rule that matched; the words <c>no rule</c> if none did, <c>pinned</c> for a pin, <c>unpinned</c> where
/// a pin was taken away and no rule has moved it since.</param>
/// <param name="By">Who pinned it; null unless pinned.</param>
public sealed record StagePlace(string? Name, DateTimeOffset Since, string Rule, string? By = null)
{
    /// <summary>The stage before; null for none, and in places that were written before it was kept.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? From { get; init; }

    /// <summary>When the stage before was entered; null if that is not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? FromSince { get; init; }

    /// <summary>When it was pinned there, or the pin taken away, after it had been entered; null if that was when it was
    /// entered.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? ChangedAt { get; init; }

    /// <summary>Who took a pin away, so that it is here now; null if nobody did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? FreedBy { get; init; }

    /// <summary>When it came to be as it is.</summary>
    [JsonIgnore]
    public DateTimeOffset At => ChangedAt ?? Since;

    /// <summary>The operator by whom it came to be as it is; null for nobody.</summary>
    [JsonIgnore]
    public string? Operator => By ?? FreedBy;

    /// <summary>The place before, as far as it is known; null for none.</summary>
    [JsonIgnore]
    public StagePlace? Left => From is { } from ? new StagePlace(from, FromSince ?? Since, "") : null;

    /// <summary>Nothing moves it but an operator.</summary>
    [JsonIgnore]
    public bool IsPinned => By is not null;

    /// <summary>The place of a pin; who is in the stage already has entered it before.</summary>
    /// <param name="held">The place until now; null before the first one.</param>
    /// <param name="name">The stage.</param>
    /// <param name="by">Who pins it.</param>
    /// <param name="at">When.</param>
    internal static StagePlace Pinned(StagePlace? held, string name, string by, DateTimeOffset at) => held?.Name == name
        ? new StagePlace(name, held.Since, "pinned", by) { From = name, FromSince = held.Since, ChangedAt = at }
        : new StagePlace(name, at, "pinned", by) { From = held?.Name, FromSince = held?.Since };

    /// <summary>The place once the pin is taken away, before the rules look.</summary>
    internal StagePlace Freed(string by, DateTimeOffset at) =>
        this with { By = null, Rule = "unpinned", From = Name, FromSince = Since, ChangedAt = at, FreedBy = by };
}

/// <summary>A move from one stage to another.</summary>
/// <param name="From">Null for none.</param>
/// <param name="To">Null for none.</param>
/// <param name="Rule">See <see cref="StagePlace.Rule"/>.</param>
public sealed record StageMove(string? From, string? To, string Rule);

/// <summary>A stage and its rule.</summary>
/// <param name="Name">Unique.</param>
/// <param name="Rule">As it was written.</param>
/// <param name="Condition">The rule.</param>
public sealed record Stage(string Name, string Rule, StageCondition Condition);

/// <summary>The stages of a connection's contacts, or of its accounts.</summary>
/// <param name="Stages">From the least advanced to the most.</param>
/// <param name="Policy">The policy.</param>
/// <param name="Counted">The events that rules count, by name.</param>
/// <param name="OverContacts">The conditions that contacts must match, by number; only in an account's stages.</param>
public sealed record StageRules(
    ImmutableArray<Stage> Stages,
    StagePolicy Policy,
    ImmutableDictionary<string, TallyUnits> Counted,
    ImmutableArray<StageCondition> OverContacts)
{
    /// <summary>The most conditions over contacts: one bit each.</summary>
    public const int OverContactsMax = 64;

    /// <summary>No stages.</summary>
    public static readonly StageRules None =
        new([], StagePolicy.ForwardOnly, ImmutableDictionary<string, TallyUnits>.Empty, []);

    /// <summary>Changes with every change of the rules.</summary>
    public ulong Fingerprint { get; } = XxHash3.HashToUInt64(
        Encoding.UTF8.GetBytes(string.Join('\n', Stages.Select(stage => $"{stage.Name}: {stage.Rule}").Prepend(Policy.ToString()))));

    // Nobody goes back behind this place.
    private int Least { get; init; } = -1;

    /// <summary>The same rules, by which one goes back too, as far as to a stage.</summary>
    /// <param name="stage">The stage; null for out of all stages.</param>
    internal StageRules FreeDownTo(string? stage) =>
        this with { Policy = StagePolicy.Free, Least = stage is null ? -1 : PlaceOf(stage) };

    /// <summary>The place after a look; the same object if nothing changed.</summary>
    /// <param name="before">The place until now; null before the first look.</param>
    /// <param name="view">What the rules see.</param>
    public StagePlace? Move(StagePlace? before, in StageView view)
    {
        if (before is { IsPinned: true } || (Stages.IsEmpty && before is null))
        {
            return before;
        }

        var held = before?.Name is { } name ? PlaceOf(name) : -1;
        if (MostAdvanced(view) is not { } most)
        {
            return before;
        }

        var matched = Math.Max(most, Least);
        var moves = matched != held && (matched > held || Policy is StagePolicy.Free);
        if (!moves || (matched < 0 && before?.Name is null))
        {
            return before;
        }

        var place = matched < 0
            ? new StagePlace(null, view.Now, "no rule")
            : new StagePlace(Stages[matched].Name, view.Now, Stages[matched].Rule);
        return place with { From = before?.Name, FromSince = before?.Since };
    }

    /// <summary>Whether it is known which stage the rules say, or depends on contacts that have not said it yet.</summary>
    internal bool IsKnown(in StageView view) => MostAdvanced(view) is not null;

    /// <summary>Which conditions over contacts a contact matches, one bit each.</summary>
    public ulong MatchesOf(in StageView contact)
    {
        var matches = 0UL;
        for (var number = 0; number < OverContacts.Length; number++)
        {
            matches |= OverContacts[number].Holds(contact) ? 1UL << number : 0;
        }

        return matches;
    }

    /// <summary>The place of a stage from the least advanced on; -1 if there is none of that name.</summary>
    public int PlaceOf(string stage)
    {
        for (var place = 0; place < Stages.Length; place++)
        {
            if (Stages[place].Name == stage)
            {
                return place;
            }
        }

        return -1;
    }

    // Null: it depends on contacts that have not said it yet.
    private int? MostAdvanced(in StageView view)
    {
        for (var place = Stages.Length - 1; place >= 0; place--)
        {
            var holds = Stages[place].Condition.HoldsAnyway(view);
            if (holds is not false)
            {
                return holds is null ? null : place;
            }
        }

        return -1;
    }
}
