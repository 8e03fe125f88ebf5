using System.Diagnostics;
using System.Text.Json;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>Row 1: the recorded cases, decoded and mapped on one thread, by this project and by the plugin peer. No process is
/// pinned to a core: .NET would then have to compile again on the core that it is measured on.</summary>
internal sealed class MappingRow(RowOptions options)
{
    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken)
    {
        var pairs = new List<(double, double)>();
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            pairs.Add((
                await MeasureAsync(["dotnet", typeof(MappingRow).Assembly.Location, Roles.Command, "mapping"], cancellationToken),
                await MeasureAsync(["node", Path.Combine(Folder("peers/plugin-peer"), "main.mjs"), "measure"], cancellationToken)));
        }

        return [Finding.Ratio(1, "decode and map by the plugin peer's", "events/s", 8, pairs)];
    }

    private static string Folder(string name) => Path.Combine(AppContext.BaseDirectory, name);

    private async Task<double> MeasureAsync(string[] command, CancellationToken cancellationToken)
    {
        string[] files = ["cases.jsonl", "fixtures.jsonl"];
        var start = new ProcessStartInfo(command[0], [
            .. command[1..], $"{options.Size(5, 1)}",
            .. files.Select(file => Path.Combine(Folder("Conformance/plugin"), file)),
        ])
        {
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return JsonDocument.Parse(output).RootElement.GetProperty("eventsPerSecond").GetDouble();
    }
}
