using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Benchmarks.Processes;

/// <summary>How many events of the recorded cases one core decodes and maps in a second.</summary>
internal static class MappingMeasure
{
    /// <summary>The limits of the shipped configuration.</summary>
    public static readonly SourcesOptions Limits = new()
    {
        BodyBytesMax = 20 << 20,
        EventBodyBytesMax = 2 << 20,
        WebhookBodyBytesMax = 2 << 20,
        InflatedBytesMax = 100 << 20,
        EventBytesMax = 1_000_000,
        JsonDepthMax = 64,
        EventsMax = 10_000,
    };

    private static readonly DateTimeOffset Now = new(2026, 3, 1, 9, 0, 0, TimeSpan.Zero);

    public static async Task<int> RunAsync(double seconds, string[] files)
    {
        var cases = files.SelectMany(File.ReadLines).Select(line => JsonNode.Parse(line)!).ToList();
        var bodies = cases.Select(recorded => Encoding.UTF8.GetBytes($$"""{"event":{{recorded["event"]!.ToJsonString()}}}""")).ToList();
        for (var place = 0; place < cases.Count; place++)
        {
            Verify(cases[place], bodies[place], place);
        }

        Run(bodies, seconds);
        await Console.Out.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"cases":{{cases.Count}},"eventsPerSecond":{{Run(bodies, seconds)}}}"""));
        return 0;
    }

    private static double Run(List<byte[]> bodies, double seconds)
    {
        var (watch, events) = (Stopwatch.StartNew(), 0L);
        while (watch.Elapsed.TotalSeconds < seconds)
        {
            foreach (var body in bodies)
            {
                _ = Map(body);
            }

            events += bodies.Count;
        }

        return events / watch.Elapsed.TotalSeconds;
    }

    private static MappingOutcome Map(byte[] body) =>
        PluginMapping.Map(((WebhookDecoding.Accepted)WebhookDecoder.Decode(body, Now, Limits)).Event);

    private static void Verify(JsonNode recorded, byte[] body, int place)
    {
        var outcome = Map(body);
        var message = outcome.Messages.IsEmpty ? null : JsonNode.Parse(outcome.Messages.Single().Body.Span);
        if (recorded["threw"] is null && !JsonNode.DeepEquals(WithoutLibrary(recorded["sent"]), WithoutLibrary(message)))
        {
            throw new InvalidOperationException($"Case {place + 1} is mapped to another body than the recorded one.");
        }
    }

    private static JsonNode? WithoutLibrary(JsonNode? body)
    {
        var copy = body?.DeepClone();
        copy?.AsObject().Remove("libary");
        return copy;
    }
}
