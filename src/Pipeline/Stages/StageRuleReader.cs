using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Stages;

/// <summary>What became of written stages.</summary>
/// <param name="Rules">Null if there are faults.</param>
/// <param name="Faults">All that is wrong, at most one for each stage.</param>
public sealed record StageReading(StageRules? Rules, ImmutableArray<string> Faults);

/// <summary>
/// Reads stages: <c>name: rule</c>, where a rule joins terms by <c>and</c>, <c>or</c>, <c>not</c> and parentheses.
/// Terms are
/// <c>always</c>; <c>path = value</c> and the like, <c>path in (value, …)</c>, <c>path contains value</c>,
/// <c>path exists</c>; <c>event 'name' at least N times within M days</c>; for accounts <c>any contact (…)</c>,
/// <c>at least N contacts (…)</c>, <c>all contacts (…)</c>.
/// </summary>
public sealed class StageRuleReader
{
    private const int StagesMax = 32;
    private const int NameCharsMax = 64;
    private const int RuleCharsMax = 4_000;
    private const int DepthMax = 16;
    private const int TimesMax = 1_000_000;
    private const string Comparisons = "=, !=, >, >=, <, <=, in, not in, contains, exists";

    private readonly ImmutableArray<RuleToken> _tokens;
    private readonly bool _isAccount;
    private readonly List<StageCondition> _overContacts;
    private readonly Dictionary<string, TallyUnits> _counted;
    private int _at;
    private int _depth;
    private bool _insideContacts;

    private StageRuleReader(
        ImmutableArray<RuleToken> tokens,
        bool isAccount,
        List<StageCondition> overContacts,
        Dictionary<string, TallyUnits> counted)
    {
        _tokens = tokens;
        _isAccount = isAccount;
        _overContacts = overContacts;
        _counted = counted;
    }

    private RuleToken Here => _tokens[_at];

    /// <summary>Reads the stages of contacts.</summary>
    /// <param name="stages">From the least advanced to the most.</param>
    /// <param name="policy">The policy.</param>
    public static StageReading ReadContacts(IReadOnlyList<string> stages, StagePolicy policy) =>
        Read(stages, policy, isAccount: false);

    /// <summary>Reads the stages of accounts.</summary>
    /// <param name="stages">From the least advanced to the most.</param>
    /// <param name="policy">The policy.</param>
    public static StageReading ReadAccounts(IReadOnlyList<string> stages, StagePolicy policy) =>
        Read(stages, policy, isAccount: true);

    private static StageReading Read(IReadOnlyList<string> written, StagePolicy policy, bool isAccount)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        var stages = ImmutableArray.CreateBuilder<Stage>();
        var overContacts = new List<StageCondition>();
        var counted = new Dictionary<string, TallyUnits>();
        if (written.Count > StagesMax)
        {
            faults.Add($"there are {written.Count} stages; give at most {StagesMax}");
        }

        for (var number = 1; number <= written.Count; number++)
        {
            try
            {
                stages.Add(ReadStage(written[number - 1], stages, isAccount, overContacts, counted));
            }
            catch (StageRuleException wrong)
            {
                faults.Add(string.Create(CultureInfo.InvariantCulture, $"stage {number}: {wrong.Message}"));
            }
        }

        if (overContacts.Count > StageRules.OverContactsMax)
        {
            faults.Add(
                $"there are {overContacts.Count} conditions over contacts; give at most {StageRules.OverContactsMax}");
        }

        return faults.Count > 0
            ? new StageReading(null, faults.DrainToImmutable())
            : new StageReading(
                new StageRules(stages.DrainToImmutable(), policy, counted.ToImmutableDictionary(), [.. overContacts]),
                []);
    }

    private static Stage ReadStage(
        string written,
        IEnumerable<Stage> before,
        bool isAccount,
        List<StageCondition> overContacts,
        Dictionary<string, TallyUnits> counted)
    {
        var colon = written.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0)
        {
            throw new StageRuleException("write it as \"name: rule\"");
        }

        var name = written[..colon].Trim();
        var isName = name.Length is > 0 and <= NameCharsMax
            && name.All(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_');
        if (!isName)
        {
            throw new StageRuleException(
                $"the name before the colon must have 1 to {NameCharsMax} letters, digits, spaces, - and _");
        }

        if (before.Any(stage => stage.Name == name))
        {
            throw new StageRuleException($"there is a stage '{name}' before it; give each its own name");
        }

        if (written.Length > RuleCharsMax)
        {
            throw new StageRuleException($"the rule is longer than {RuleCharsMax} characters");
        }

        var reader = new StageRuleReader(RuleToken.Read(written, colon + 1), isAccount, overContacts, counted);
        var condition = reader.Either();
        reader.Require(reader.Here.Kind is RuleTokenKind.End, "there must be 'and' or 'or' here, or the end");
        return new Stage(name, written[(colon + 1)..].Trim(), condition);
    }

    private StageCondition Either()
    {
        var parts = new List<StageCondition> { Both() };
        while (TakeWord("or"))
        {
            parts.Add(Both());
        }

        return parts is [var only] ? only : new StageCondition.Any([.. parts]);
    }

    private StageCondition Both()
    {
        var parts = new List<StageCondition> { Term() };
        while (TakeWord("and"))
        {
            parts.Add(Term());
        }

        return parts is [var only] ? only : new StageCondition.All([.. parts]);
    }

    private StageCondition Term()
    {
        if (TakeWord("not"))
        {
            return new StageCondition.Not(Term());
        }

        if (Here.Is("("))
        {
            return InParentheses();
        }

        Require(Here.Kind is RuleTokenKind.Word, "a term is expected here: a trait, event, always, not or (");
        var follows = _tokens[_at + 1];
        return Here.Text switch
        {
            "always" when !IsComparison(follows) => Always(),
            "event" when follows.Kind is RuleTokenKind.Text || !IsComparison(follows) => Event(),
            "any" when follows.IsWord("contact") => OverContacts(ContactQuantity.AtLeast, "any contact"),
            "all" when follows.IsWord("contacts") => OverContacts(ContactQuantity.All, "all contacts"),
            "at" when follows.IsWord("least") => AtLeastContacts(),
            _ => Trait(),
        };
    }

    private StageCondition InParentheses()
    {
        Require(++_depth <= DepthMax, $"parentheses are nested more than {DepthMax} deep");
        _at++;
        var inner = Either();
        Require(Here.Is(")"), "a ) is missing here");
        _at++;
        _depth--;
        return inner;
    }

    private StageCondition.Always Always()
    {
        _at++;
        return new StageCondition.Always();
    }

    private StageCondition.Happened Event()
    {
        Require(
            !_isAccount || _insideContacts,
            "events are counted for contacts; write it inside: any contact (event ...)");
        _at++;
        Require(Here.Kind is RuleTokenKind.Text, "after 'event' there must be a name in single quotes");
        var name = Here.Text;
        Require(name.Length > 0, "the name of the event is empty");
        _at++;
        var times = 1;
        if (TakeWord("at"))
        {
            RequireWord("least", "after 'at' there must be 'least'");
            times = Whole(1, TimesMax, "times");
            Require(TakeWord("times") || TakeWord("time"), "after the number there must be 'times'");
        }

        var (unit, window) = TakeWord("within") ? Window() : (TallyUnits.Ever, 0);
        _counted[name] = _counted.GetValueOrDefault(name) | unit;
        return new StageCondition.Happened(name, times, unit, window);
    }

    private (TallyUnits Unit, int Window) Window()
    {
        var at = _at;
        var number = Whole(1, EventTally.DaysMax, "hours or days");
        if (TakeWord("days") || TakeWord("day"))
        {
            return (TallyUnits.Day, number);
        }

        Require(TakeWord("hours") || TakeWord("hour"), "after the number there must be 'hours' or 'days'");
        Require(
            number <= EventTally.HoursMax,
            $"the window is longer than {EventTally.HoursMax} hours; give it in days",
            at);
        return (TallyUnits.Hour, number);
    }

    private StageCondition.OverContacts AtLeastContacts()
    {
        Require(_isAccount, "'at least N contacts' is for stages of accounts");
        _at += 2;
        var times = Whole(1, TimesMax, "contacts");
        Require(Here.IsWord("contacts") || Here.IsWord("contact"), "after the number there must be 'contacts'");
        _at--;
        return OverContacts(ContactQuantity.AtLeast, "at least N contacts", times);
    }

    // The reader stands one word before 'contact' or 'contacts'.
    private StageCondition.OverContacts OverContacts(ContactQuantity quantity, string words, int times = 1)
    {
        Require(_isAccount, $"'{words}' is for stages of accounts");
        Require(!_insideContacts, "a condition over contacts cannot hold another one");
        _at += 2;
        Require(Here.Is("("), $"after '{words}' there must be a condition in parentheses");
        _insideContacts = true;
        var inner = InParentheses();
        _insideContacts = false;
        _overContacts.Add(inner);
        return new StageCondition.OverContacts(quantity, times, _overContacts.Count - 1);
    }

    private StageCondition Trait()
    {
        var path = new TraitPath(Here.Text);
        Require(path.Text.Split('.').All(segment => segment.Length > 0), "this path has an empty part between dots");
        _at++;
        if (TakeWord("exists"))
        {
            return new StageCondition.Exists(path);
        }

        if (TakeWord("in"))
        {
            return new StageCondition.Compare(path, TraitComparison.Equal, Values());
        }

        if (TakeWord("not"))
        {
            RequireWord("in", "after 'not' there must be 'in'");
            var among = new StageCondition.Compare(path, TraitComparison.Equal, Values());
            return new StageCondition.All([new StageCondition.Exists(path), new StageCondition.Not(among)]);
        }

        if (TakeWord("contains"))
        {
            return new StageCondition.Compare(path, TraitComparison.Contains, [Value()]);
        }

        Require(IsComparison(Here), $"after a trait there must be one of {Comparisons}");
        var comparison = Here.Text switch
        {
            "=" => TraitComparison.Equal,
            "!=" => TraitComparison.NotEqual,
            ">" => TraitComparison.Greater,
            ">=" => TraitComparison.AtLeast,
            "<" => TraitComparison.Less,
            _ => TraitComparison.AtMost,
        };
        _at++;
        var at = _at;
        var value = Value();
        var isOrdered = comparison is TraitComparison.Equal or TraitComparison.NotEqual
            || value.Json is not ("true" or "false");
        Require(isOrdered, "true and false have no order; use = or !=", at);
        return new StageCondition.Compare(path, comparison, [value]);
    }

    private ImmutableArray<JsonValue> Values()
    {
        Require(Here.Is("("), "after 'in' there must be values in parentheses");
        var values = ImmutableArray.CreateBuilder<JsonValue>();
        do
        {
            _at++;
            values.Add(Value());
        }
        while (Here.Is(","));
        Require(Here.Is(")"), "after a value there must be , or )");
        _at++;
        return values.DrainToImmutable();
    }

    private JsonValue Value()
    {
        var token = Here;
        _at = Math.Min(_at + 1, _tokens.Length - 1);
        return token.Kind switch
        {
            RuleTokenKind.Text => JsonText.Of(token.Text),
            RuleTokenKind.Number => new JsonValue(token.Text),
            RuleTokenKind.Word when token.Text is "true" or "false" => new JsonValue(token.Text),
            _ => throw Fault(token, "a value is expected here: text in single quotes, a number, true or false"),
        };
    }

    private int Whole(int from, int to, string of)
    {
        var isWhole = Here.Kind is RuleTokenKind.Number
            && int.TryParse(Here.Text, NumberStyles.None, CultureInfo.InvariantCulture, out _);
        var number = isWhole ? int.Parse(Here.Text, NumberStyles.None, CultureInfo.InvariantCulture) : -1;
        Require(number >= from && number <= to, $"a whole number of {of} from {from} to {to} is expected here");
        _at++;
        return number;
    }

    private static bool IsComparison(RuleToken token) =>
        token.Kind is RuleTokenKind.Sign && token.Text is "=" or "!=" or ">" or ">=" or "<" or "<="
        || token.Kind is RuleTokenKind.Word && token.Text is "in" or "not" or "contains" or "exists";

    private bool TakeWord(string word)
    {
        if (!Here.IsWord(word))
        {
            return false;
        }

        _at++;
        return true;
    }

    private void RequireWord(string word, string message) => Require(TakeWord(word), message);

    private void Require([DoesNotReturnIf(false)] bool holds, string message, int? at = null)
    {
        if (!holds)
        {
            throw Fault(_tokens[at ?? _at], message);
        }
    }

    private static StageRuleException Fault(RuleToken token, string message) =>
        new(string.Create(CultureInfo.InvariantCulture, $"character {token.At + 1}: {message}"));
}

/// <summary>A rule is not written as rules are; the message tells where and what to do.</summary>
public sealed class StageRuleException(string message) : Exception(message);
