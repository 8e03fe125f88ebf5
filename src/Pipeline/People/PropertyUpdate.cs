using System.Collections.Immutable;

namespace VarianceActors.Pipeline.People;

/// <summary>One person property.</summary>
/// <param name="Name">Any text without NUL.</param>
/// <param name="Value">The value; a JSON null is a value.</param>
public readonly record struct NamedValue(string Name, JsonValue Value);

/// <summary>What one event asks of its person's properties, automatic ones included (posthog.md A6).</summary>
/// <param name="Set">Names are unique; replaces.</param>
/// <param name="SetOnce">Names are unique and none is in <paramref name="Set"/>, which wins; fills what is
/// absent.</param>
/// <param name="Unset">Names are unique; removes.</param>
public sealed record PropertyUpdate(
    ImmutableArray<NamedValue> Set,
    ImmutableArray<NamedValue> SetOnce,
    ImmutableArray<string> Unset)
{
    /// <summary>Asks for nothing.</summary>
    public static readonly PropertyUpdate None = new([], [], []);

    /// <summary>The names of <see cref="Set"/>, <see cref="SetOnce"/> and <see cref="Unset"/> in one row: what a fact's
    /// list of winners counts through.</summary>
    public string NameAt(int position) => position < Set.Length
        ? Set[position].Name
        : position < Set.Length + SetOnce.Length
            ? SetOnce[position - Set.Length].Name
            : Unset[position - Set.Length - SetOnce.Length];
}
