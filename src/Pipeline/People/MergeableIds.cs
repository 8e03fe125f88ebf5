using System.Collections.Frozen;

namespace VarianceActors.Pipeline.People;

/// <summary>Which ids may take part in a merge (posthog.md A5).</summary>
public static class MergeableIds
{
    /// <summary>Longer ids cannot be merged; in Unicode code points.</summary>
    public const int CodePointsMax = 400;

    private static readonly string[] AnyCase =
    [
        "anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined",
        "true", "false",
    ];

    private static readonly string[] Exact = ["[object Object]", "NaN", "None", "none", "null", "0", "undefined"];

    private static readonly FrozenSet<string> IllegalInAnyCase =
        Quoted(AnyCase).ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string> Illegal = Quoted(Exact).ToFrozenSet(StringComparer.Ordinal);

    /// <summary>False for illegal ids, ids with NUL and ids that are too long.</summary>
    public static bool Contains(string id) =>
        !IsBlank(id)
        && !Illegal.Contains(id)
        && !IllegalInAnyCase.Contains(id)
        && !id.Contains('\0')
        && !IsTooLong(id);

    /// <summary>More than <see cref="CodePointsMax"/> code points.</summary>
    public static bool IsTooLong(string id)
    {
        if (id.Length <= CodePointsMax)
        {
            return false;
        }

        var points = 0;
        foreach (var rune in id.EnumerateRunes())
        {
            points++;
        }

        return points > CodePointsMax;
    }

    // JavaScript's trim also takes the byte order mark away.
    private static bool IsBlank(string id) => id.AsSpan().Trim().Trim('\uFEFF').Trim().IsEmpty;

    private static IEnumerable<string> Quoted(string[] ids) =>
        ids.SelectMany(id => new[] { id, $"'{id}'", $"\"{id}\"" });
}
