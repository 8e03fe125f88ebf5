using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks;

/// <summary>What <c>load</c> is asked to do.</summary>
/// <param name="Events">How many events are measured, after a warm-up of their tenth.</param>
/// <param name="PerRequest">Events of one request.</param>
/// <param name="PerSecond">Events a second; 0 for as many as are accepted.</param>
/// <param name="Mapping"><c>contacts</c> or <c>plugin</c>.</param>
/// <param name="Store"><c>sqlite</c> or <c>postgres</c>.</param>
/// <param name="WithViews">Whether the tables of the lists are kept.</param>
/// <param name="Out">The directory that gets JSON and SVG.</param>
internal sealed record LoadOptions(
    int Events, int PerRequest, double PerSecond, string Mapping, string Store, bool WithViews, string Out);

/// <summary>
/// Load generator, host, receiver and database as processes of their own on this machine's cores: how many events a second are
/// accepted and delivered, what each process spends on it, and whether every event arrived once.
/// </summary>
internal sealed class LoadRun(LoadOptions options)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var bench = await Bench.StartAsync();
        var settings = HostSettings.For(bench.Receiver, options.Mapping) with { WithViews = options.WithViews };
        await using var contestant = await Contestant.HostAsync(settings, options.Store, cancellationToken);
        var result = await AnsiConsole.Progress().StartAsync(async progress =>
        {
            await MeasureAsync(bench, contestant, progress, "warm-up", Math.Max(1_000, options.Events / 10), cancellationToken);
            return await MeasureAsync(bench, contestant, progress, "delivered", options.Events, cancellationToken);
        });
        AnsiConsole.Write(Shown(result));
        Directory.CreateDirectory(options.Out);
        var path = Path.Combine(options.Out, "load");
        await File.WriteAllTextAsync(path + ".json", JsonSerializer.Serialize(new { options, result }, Json), cancellationToken);
        await Charts.WriteAsync(result, path);
        AnsiConsole.MarkupLineInterpolated($"{path}.json and {path}-*.svg are written.");
        return result is { Missing: 0, Repeated: 0 } ? 0 : 1;
    }

    private async Task<LoadResult> MeasureAsync(
        Bench bench, Contestant contestant, ProgressContext progress, string what, int events, CancellationToken cancellationToken)
    {
        var load = bench.Load(contestant, events, options.PerRequest, perSecond: options.PerSecond) with
        {
            EachHasMessage = options.Mapping == "plugin",
        };
        var task = progress.AddTask(what, maxValue: load.Count);
        return await bench.MeasureAsync(contestant, load, count => task.Value = count, cancellationToken);
    }

    private Table Shown(LoadResult result)
    {
        var table = new Table()
            .Title($"{result.Events:N0} events, {options.PerRequest} a request, mapping {options.Mapping}, {options.Store}")
            .AddColumns("measure", "value")
            .AddRow("accepted durably", $"{result.AcceptedPerSecond:N0} events/s, {result.Refused:N0} times 503")
            .AddRow("accepted and delivered", $"{result.DeliveredPerSecond:N0} events/s")
            .AddRow("bytes of an event in a request", $"{result.Bytes / result.Events:N0}")
            .AddRow("from accepted to delivered, p50, p95, p99", string.Create(
                CultureInfo.InvariantCulture,
                $"{result.Latency!.P50:N1}, {result.Latency.P95:N1}, {result.Latency.P99:N1} ms"))
            .AddRow("every event arrived once", result is { Missing: 0, Repeated: 0 }
                ? "yes"
                : $"no: {result.Missing:N0} missing, {result.Repeated:N0} again");
        foreach (var (name, cost) in result.Processes)
        {
            table.AddRow(
                name,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{cost.ProcessorMicroseconds:N1} µs and {cost.WrittenBytes:N0} bytes written an event, {cost.ResidentBytes >> 20} MB resident"));
        }

        return table;
    }
}
