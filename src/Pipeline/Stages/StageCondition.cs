using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Stages;

/// <summary>What a stage's rule looks at.</summary>
/// <param name="Traits">The contact's properties, or the account's merged traits.</param>
/// <param name="Tallies">The contact's; an account has none.</param>
/// <param name="Now">Where windows end.</param>
/// <param name="Contacts">An account's contacts; a contact has none.</param>
/// <param name="ContactMatches">By number of the condition over contacts, how many of them match.</param>
public readonly record struct StageView(
    ImmutableDictionary<string, JsonValue> Traits,
    ImmutableArray<EventTally> Tallies,
    DateTimeOffset Now,
    int Contacts,
    ImmutableArray<int> ContactMatches)
{
    /// <summary>By number likewise, how many may match, where some contacts have not said it yet; default: no more.</summary>
    public ImmutableArray<int> ContactMatchesAtMost { get; init; }
}

/// <summary>How a trait is compared.</summary>
public enum TraitComparison : byte
{
    /// <summary>The same text, number, or truth.</summary>
    Equal,

    /// <summary>There is a value, and it is another one.</summary>
    NotEqual,

    /// <summary>A larger number, or a later text.</summary>
    Greater,

    /// <summary>Not less.</summary>
    AtLeast,

    /// <summary>A smaller number, or an earlier text.</summary>
    Less,

    /// <summary>Not greater.</summary>
    AtMost,

    /// <summary>A text with this text in it, or a list with this element.</summary>
    Contains,
}

/// <summary>How many contacts must match.</summary>
public enum ContactQuantity : byte
{
    /// <summary>At least a number of them.</summary>
    AtLeast,

    /// <summary>All, and there is one.</summary>
    All,
}

/// <summary>A stage's rule, ready to be asked.</summary>
public abstract record StageCondition
{
    private StageCondition()
    {
    }

    /// <summary>Whether it holds.</summary>
    public abstract bool Holds(in StageView view);

    /// <summary>Whether it holds, whatever the contacts say that have not said it yet; null: that depends on them.</summary>
    public virtual bool? HoldsAnyway(in StageView view) => Holds(view);

    /// <summary>The conditions in this one that a window of time ends, and whether this one begins to hold by that: they stand
    /// under an odd number of <c>not</c>.</summary>
    internal static IEnumerable<(Happened Condition, bool Begins)> WindowsIn(StageCondition condition) => condition switch
    {
        All all => all.Parts.SelectMany(WindowsIn),
        Any any => any.Parts.SelectMany(WindowsIn),
        Not not => WindowsIn(not.Part).Select(window => (window.Condition, !window.Begins)),
        Happened { Unit: not TallyUnits.Ever } happened => [(happened, false)],
        _ => [],
    };

    /// <summary>Holds for everybody.</summary>
    public sealed record Always : StageCondition
    {
        /// <inheritdoc />
        public override bool Holds(in StageView view) => true;
    }

    /// <summary>All of several.</summary>
    public sealed record All(ImmutableArray<StageCondition> Parts) : StageCondition
    {
        /// <inheritdoc />
        public override bool? HoldsAnyway(in StageView view)
        {
            bool? all = true;
            foreach (var part in Parts)
            {
                var one = part.HoldsAnyway(view);
                if (one is false)
                {
                    return false;
                }

                all = one is null ? null : all;
            }

            return all;
        }

        /// <inheritdoc />
        public override bool Holds(in StageView view)
        {
            foreach (var part in Parts)
            {
                if (!part.Holds(view))
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>One of several.</summary>
    public sealed record Any(ImmutableArray<StageCondition> Parts) : StageCondition
    {
        /// <inheritdoc />
        public override bool? HoldsAnyway(in StageView view)
        {
            bool? any = false;
            foreach (var part in Parts)
            {
                var one = part.HoldsAnyway(view);
                if (one is true)
                {
                    return true;
                }

                any = one is null ? null : any;
            }

            return any;
        }

        /// <inheritdoc />
        public override bool Holds(in StageView view)
        {
            foreach (var part in Parts)
            {
                if (part.Holds(view))
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>The opposite.</summary>
    public sealed record Not(StageCondition Part) : StageCondition
    {
        /// <inheritdoc />
        public override bool Holds(in StageView view) => !Part.Holds(view);

        /// <inheritdoc />
        public override bool? HoldsAnyway(in StageView view) => !Part.HoldsAnyway(view);
    }

    /// <summary>There is a value, and it is not null.</summary>
    public sealed record Exists(TraitPath Path) : StageCondition
    {
        /// <inheritdoc />
        public override bool Holds(in StageView view) => Path.Read(view.Traits) is not null;
    }

    /// <summary>A value compared with one of several given ones; without a value nothing holds.</summary>
    /// <param name="Path">Where the value is.</param>
    /// <param name="Comparison">How.</param>
    /// <param name="Values">JSON texts of strings, numbers or truths; one of them suffices.</param>
    public sealed record Compare(TraitPath Path, TraitComparison Comparison, ImmutableArray<JsonValue> Values)
        : StageCondition
    {
        /// <inheritdoc />
        public override bool Holds(in StageView view)
        {
            if (Path.Read(view.Traits) is not { } value)
            {
                return false;
            }

            foreach (var given in Values)
            {
                if (Matches(value, given))
                {
                    return true;
                }
            }

            return false;
        }

        private bool Matches(JsonValue value, JsonValue given) => Comparison switch
        {
            TraitComparison.Equal => Compared(value, given) is 0,
            TraitComparison.NotEqual => Compared(value, given) is not 0,
            TraitComparison.Greater => Compared(value, given) > 0,
            TraitComparison.AtLeast => Compared(value, given) >= 0,
            TraitComparison.Less => Compared(value, given) < 0,
            TraitComparison.AtMost => Compared(value, given) <= 0,
            _ => Includes(value, given),
        };

        // Null if the two are of different kinds, or neither texts nor numbers and different.
        private static int? Compared(JsonValue value, JsonValue given)
        {
            if (value == given)
            {
                return 0;
            }

            if (Number(value) is { } number && Number(given) is { } other)
            {
                return number.CompareTo(other);
            }

            return value.Json[0] is '"' && given.Json[0] is '"'
                ? string.CompareOrdinal(TraitPath.TextOf(value), TraitPath.TextOf(given))
                : null;
        }

        private static double? Number(JsonValue value) => value.Json[0] is '-' or (>= '0' and <= '9')
            && double.TryParse(value.Json, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                ? number
                : null;

        private static bool Includes(JsonValue value, JsonValue given)
        {
            if (value.Json[0] is '"' && given.Json[0] is '"')
            {
                return TraitPath.TextOf(value)!.Contains(TraitPath.TextOf(given)!, StringComparison.Ordinal);
            }

            if (value.Json[0] is not '[')
            {
                return false;
            }

            using var list = JsonDocument.Parse(value.Json);
            return list.RootElement.EnumerateArray().Any(one => Compared(new JsonValue(one.GetRawText()), given) is 0);
        }
    }

    /// <summary>An event happened often enough.</summary>
    /// <param name="Event">The event's name.</param>
    /// <param name="Times">How often at least.</param>
    /// <param name="Unit">One unit.</param>
    /// <param name="Window">How many of them; 0 for ever.</param>
    public sealed record Happened(string Event, int Times, TallyUnits Unit, int Window) : StageCondition
    {
        /// <inheritdoc />
        public override bool Holds(in StageView view) =>
            EventTally.Count(view.Tallies, Event, Unit, Window, view.Now) >= Times;
    }

    /// <summary>Enough contacts of an account match.</summary>
    /// <param name="Quantity">How many.</param>
    /// <param name="Times">The number for <see cref="ContactQuantity.AtLeast"/>.</param>
    /// <param name="Number">The number of the condition that they must match.</param>
    public sealed record OverContacts(ContactQuantity Quantity, int Times, int Number) : StageCondition
    {
        /// <inheritdoc />
        public override bool Holds(in StageView view)
        {
            var matching = view.ContactMatches.IsDefaultOrEmpty ? 0 : view.ContactMatches[Number];
            return AreEnough(matching, view.Contacts);
        }

        /// <inheritdoc />
        public override bool? HoldsAnyway(in StageView view)
        {
            var holds = Holds(view);
            return holds || view.ContactMatchesAtMost.IsDefaultOrEmpty || !AreEnough(view.ContactMatchesAtMost[Number], view.Contacts)
                ? holds
                : null;
        }

        private bool AreEnough(int matching, int contacts) => Quantity is ContactQuantity.AtLeast
            ? matching >= Times
            : contacts > 0 && matching == contacts;
    }
}
