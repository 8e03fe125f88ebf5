using System.Text.RegularExpressions;

namespace VarianceActors.Pipeline.Stores;

/// <summary>One SQL statement, constant text with named parameters that are bound in the order of their first appearance.</summary>
public sealed partial class Statement
{
    /// <summary>Reads the parameter names out of <paramref name="text"/>.</summary>
    public Statement(string text)
    {
        Text = text;
        Parameters = [.. ParameterPattern().Matches(text).Select(match => match.Value).Distinct()];
    }

    /// <summary>The SQL.</summary>
    public string Text { get; }

    /// <summary>The parameter names, each with its <c>@</c>.</summary>
    public string[] Parameters { get; }

    [GeneratedRegex("@[a-z_]+")]
    private static partial Regex ParameterPattern();
}
