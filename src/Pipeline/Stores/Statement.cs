using System.Text.RegularExpressions;

namespace VarianceActors.Pipeline.Stores;

/// <summary>One SQL statement, constant text with named parameters that are bound in the order of their first appearance.
/// It is written for SQLite and PostgreSQL alike.</summary>
public sealed partial class Statement
{
    /// <summary>Reads the parameter names out of <paramref name="text"/>.</summary>
    /// <param name="text">The SQL.</param>
    /// <param name="locksRows">Whether the rows that a query finds must stay as they are until the transaction ends. SQLite has
    /// one writer at a time, so that nobody else changes them; PostgreSQL is told to lock them.</param>
    public Statement(string text, bool locksRows = false)
    {
        Text = text;
        Parameters = [.. ParameterPattern().Matches(text).Select(match => match.Value).Distinct()];
        PositionalText = ParameterPattern().Replace(text, match => $"${Array.IndexOf(Parameters, match.Value) + 1}")
            + (locksRows ? " FOR UPDATE" : "");
    }

    /// <summary>The SQL.</summary>
    public string Text { get; }

    /// <summary>The parameter names, each with its <c>@</c>.</summary>
    public string[] Parameters { get; }

    /// <summary>The SQL as PostgreSQL takes it, with numbers for names.</summary>
    internal string PositionalText { get; }

    [GeneratedRegex("@[a-z_]+")]
    private static partial Regex ParameterPattern();
}
