using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using VarianceActors.Benchmarks.Rows;

namespace VarianceActors.Benchmarks;

/// <summary>Measures the targets of speed, each as pairs in one run, and says which are reached.</summary>
internal sealed class CompareRun(RowOptions options, string folder)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <param name="rows">Numbers of targets; none for all.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    public async Task<int> RunAsync(IReadOnlyCollection<int> rows, CancellationToken cancellationToken)
    {
        (int[] Numbers, Func<CancellationToken, Task<IReadOnlyList<Finding>>> Run)[] all =
        [
            ([1], new MappingRow(options).RunAsync),
            ([2], new AcceptRow(options).RunAsync),
            ([3], new DrainRow(options).RunAsync),
            ([4], new PeersRow(options).RunAsync),
            ([5], new LatencyRow(options).RunAsync),
            ([6, 7], new GrowthRow(options).RunAsync),
            ([7, 8], new BacklogRows(options).RunAsync),
            ([9], new MergeRow(options).RunAsync),
            ([10], new ClusterRow(options).RunAsync),
        ];
        var findings = new List<Finding>();
        foreach (var (numbers, run) in all.Where(row => rows.Count == 0 || row.Numbers.Any(rows.Contains)))
        {
            AnsiConsole.MarkupLineInterpolated($"row {string.Join(" and ", numbers)}, {options.Pairs} pairs ...");
            findings.AddRange(await run(cancellationToken));
            AnsiConsole.Write(Shown(findings));
        }

        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, "compare.json");
        await File.WriteAllTextAsync(path, JsonSerializer.Serialize(new { options, findings }, Json), cancellationToken);
        AnsiConsole.MarkupLineInterpolated($"{path} is written.");
        return findings.Exists(finding => finding.Passes == false) ? 1 : 0;
    }

    private Table Shown(IEnumerable<Finding> findings)
    {
        var table = new Table()
            .Title(options.IsQuick ? "a trial: sizes too small for a measurement" : $"medians of {options.Pairs} pairs")
            .AddColumns("row", "measure", "ours", "theirs", "figure", "least to most", "target", "");
        foreach (var finding in findings)
        {
            var hasTheirs = finding.Observations[0].Theirs is not null;
            table.AddRow(
                $"{finding.Row}",
                finding.What,
                $"{Number(finding.MedianOf(observation => observation.Ours))} {finding.Unit}",
                hasTheirs ? $"{Number(finding.MedianOf(observation => observation.Theirs!.Value))} {finding.Unit}" : "",
                Number(finding.Median),
                $"{Number(finding.Least)} to {Number(finding.Most)}",
                finding.Target is { } target ? $"{(finding.IsFloor ? "≥" : "≤")} {Number(target)}" : "",
                finding.Passes switch { true => "pass", false => "fail", null => "" });
        }

        return table;
    }

    private static string Number(double number) =>
        number.ToString(Math.Abs(number) >= 100 ? "N0" : "N2", CultureInfo.InvariantCulture);
}
