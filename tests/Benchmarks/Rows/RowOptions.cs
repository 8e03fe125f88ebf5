namespace VarianceActors.Benchmarks.Rows;

/// <summary>How much each row of <c>compare</c> does.</summary>
/// <param name="Pairs">How many times each pair is measured, alternating.</param>
/// <param name="IsQuick">Small sizes: shows that a row works, and is no measurement.</param>
internal sealed record RowOptions(int Pairs, bool IsQuick)
{
    /// <summary>The size of something.</summary>
    public int Size(int whole, int quick) => IsQuick ? quick : whole;
}

/// <summary>One pair: the figure that counts, and what it was worked out from.</summary>
/// <param name="Figure">The ratio, difference or absolute figure that the target is about.</param>
/// <param name="Ours">What this project came to.</param>
/// <param name="Theirs">What the other side came to; null where there is none.</param>
internal sealed record Observation(double Figure, double Ours, double? Theirs);

/// <summary>What one row of <c>compare</c> found about one measure.</summary>
/// <param name="Row">The number of the target.</param>
/// <param name="What">The measure.</param>
/// <param name="Unit">Of ours and theirs.</param>
/// <param name="Target">The target; null for orientation.</param>
/// <param name="IsFloor">Whether the figure must be at least the target, not at most.</param>
/// <param name="Observations">One for each pair.</param>
internal sealed record Finding(
    int Row, string What, string Unit, double? Target, bool IsFloor, IReadOnlyList<Observation> Observations)
{
    /// <summary>The middle figure.</summary>
    public double Median => MedianOf(observation => observation.Figure);

    /// <summary>The smallest figure.</summary>
    public double Least => Observations.Min(observation => observation.Figure);

    /// <summary>The largest figure.</summary>
    public double Most => Observations.Max(observation => observation.Figure);

    /// <summary>Whether the median reaches the target; null without one.</summary>
    public bool? Passes => Target is { } target ? (IsFloor ? Median >= target : Median <= target) : null;

    /// <summary>The middle of something.</summary>
    public double MedianOf(Func<Observation, double> of)
    {
        var sorted = Observations.Select(of).Order().ToList();
        return (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }

    /// <summary>A floor for ours by theirs.</summary>
    public static Finding Ratio(
        int row, string what, string unit, double floor, IEnumerable<(double Ours, double Theirs)> pairs) =>
        new(row, what, unit, floor, IsFloor: true, [.. pairs.Select(pair => new Observation(pair.Ours / pair.Theirs, pair.Ours, pair.Theirs))]);

    /// <summary>A ceiling for a figure of ours alone.</summary>
    public static Finding Absolute(int row, string what, string unit, double? ceiling, IEnumerable<double> figures) =>
        new(row, what, unit, ceiling, IsFloor: false, [.. figures.Select(figure => new Observation(figure, figure, null))]);
}
