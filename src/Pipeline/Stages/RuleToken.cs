using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace VarianceActors.Pipeline.Stages;

/// <summary>What a piece of a rule is.</summary>
internal enum RuleTokenKind : byte
{
    /// <summary>A word or a path.</summary>
    Word,

    /// <summary>Text in single quotes.</summary>
    Text,

    /// <summary>A number as JSON has it.</summary>
    Number,

    /// <summary>A comparison, parenthesis or comma.</summary>
    Sign,

    /// <summary>Behind the last one.</summary>
    End,
}

/// <summary>A piece of a rule.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text; without quotes.</param>
/// <param name="At">Where it begins, from 0.</param>
internal readonly record struct RuleToken(RuleTokenKind Kind, string Text, int At)
{
    private static readonly string[] Signs = ["!=", ">=", "<=", "=", ">", "<", "(", ")", ","];

    public bool Is(string sign) => Kind is RuleTokenKind.Sign && Text == sign;

    public bool IsWord(string word) => Kind is RuleTokenKind.Word && Text == word;

    /// <summary>The pieces from a place on, with one <see cref="RuleTokenKind.End"/> behind them.</summary>
    /// <exception cref="StageRuleException">A piece is none of these.</exception>
    public static ImmutableArray<RuleToken> Read(string text, int from)
    {
        var tokens = ImmutableArray.CreateBuilder<RuleToken>();
        for (var at = from; at < text.Length;)
        {
            if (char.IsWhiteSpace(text[at]))
            {
                at++;
                continue;
            }

            var (token, end) = Next(text, at);
            tokens.Add(token);
            at = end;
        }

        tokens.Add(new RuleToken(RuleTokenKind.End, "", text.Length));
        return tokens.DrainToImmutable();
    }

    private static (RuleToken Token, int End) Next(string text, int at)
    {
        if (text[at] is '\'')
        {
            return Quoted(text, at);
        }

        foreach (var sign in Signs)
        {
            if (text.AsSpan(at).StartsWith(sign))
            {
                return (new RuleToken(RuleTokenKind.Sign, sign, at), at + sign.Length);
            }
        }

        var end = at;
        while (end < text.Length && IsWordChar(text[end]))
        {
            end++;
        }

        if (end == at)
        {
            throw new StageRuleException(
                string.Create(CultureInfo.InvariantCulture, $"character {at + 1}: this sign has no meaning in a rule"));
        }

        var word = text[at..end];
        var isNumber = word[0] is '-' || char.IsAsciiDigit(word[0]);
        return isNumber ? (Numeral(word, at), end) : (new RuleToken(RuleTokenKind.Word, word, at), end);
    }

    private static RuleToken Numeral(string word, int at) =>
        double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        && double.IsFinite(number)
            ? new RuleToken(RuleTokenKind.Number, number.ToString("R", CultureInfo.InvariantCulture), at)
            : throw new StageRuleException(string.Create(
                CultureInfo.InvariantCulture,
                $"character {at + 1}: this is no number; put text into single quotes"));

    // A quote inside is written twice.
    private static (RuleToken Token, int End) Quoted(string text, int at)
    {
        var value = new StringBuilder();
        for (var next = at + 1; next < text.Length; next++)
        {
            if (text[next] is not '\'')
            {
                value.Append(text[next]);
            }
            else if (next + 1 < text.Length && text[next + 1] is '\'')
            {
                value.Append('\'');
                next++;
            }
            else
            {
                return (new RuleToken(RuleTokenKind.Text, value.ToString(), at), next + 1);
            }
        }

        throw new StageRuleException(string.Create(
            CultureInfo.InvariantCulture,
            $"character {at + 1}: the text that begins here is not closed; add a single quote"));
    }

    private static bool IsWordChar(char c) => char.IsLetterOrDigit(c) || c is '_' or '$' or '-' or '.' or '@' or '/';
}
