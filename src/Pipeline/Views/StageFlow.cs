using System.Collections.Immutable;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Views;

/// <summary>Moves from one stage to another, counted.</summary>
/// <param name="From">Empty for none.</param>
/// <param name="To">Empty for none.</param>
/// <param name="Since">How many since the period began.</param>
/// <param name="Within">How many of them within the period.</param>
/// <param name="Known">Of how many of those it is known how long they had been in the stage that they left.</param>
/// <param name="Stayed">How long that was, together, in milliseconds.</param>
internal readonly record struct StageFlow(string From, string To, long Since, long Within, long Known, long Stayed)
{
    /// <summary>The figures of all stages.</summary>
    /// <param name="rules">The configured stages.</param>
    /// <param name="totals">How many are in which stage now.</param>
    /// <param name="flows">All moves since the period began.</param>
    public static ImmutableArray<StageFigures> Figures(
        StageRules rules, Dictionary<string, long> totals, List<StageFlow> flows)
    {
        ImmutableArray<string> configured = [.. rules.Stages.Select(stage => stage.Name)];
        var others = totals.Keys.Concat(flows.SelectMany(flow => (string[])[flow.From, flow.To]))
            .Where(stage => stage.Length > 0 && !configured.Contains(stage))
            .Distinct()
            .Order(StringComparer.Ordinal);
        return [.. configured.Concat(others).Append("").Select(stage => Of(stage, rules, totals, flows))];
    }

    private static StageFigures Of(
        string stage, StageRules rules, Dictionary<string, long> totals, List<StageFlow> flows)
    {
        var left = flows.Where(flow => flow.From == stage).ToList();
        var entered = flows.Where(flow => flow.To == stage).ToList();
        var place = rules.PlaceOf(stage);
        var members = totals.GetValueOrDefault(stage);
        var (leftWithin, enteredWithin) = (left.Sum(flow => flow.Within), entered.Sum(flow => flow.Within));
        var known = left.Sum(flow => flow.Known);
        var advanced = left.Where(flow => rules.PlaceOf(flow.To) > place).Sum(flow => flow.Within);

        // Who was in it when the period began follows from who is in it now, and the moves since then.
        var atFirst = Math.Max(0, members - entered.Sum(flow => flow.Since) + left.Sum(flow => flow.Since));
        var there = atFirst + enteredWithin;
        return new StageFigures(
            stage,
            members,
            enteredWithin,
            leftWithin,
            advanced,
            known == 0 ? null : TimeSpan.FromMilliseconds(left.Sum(flow => flow.Stayed) / known),
            there == 0 ? null : Math.Min(1, (double)advanced / there));
    }
}
