using System.Collections.Immutable;
using BenchmarkDotNet.Attributes;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Benchmarks;

/// <summary>What one event costs before anything is stored: decoding a batch of a hundred, and mapping each event.</summary>
[InProcess]
[MemoryDiagnoser]
public class EventBenchmarks
{
    private const int Events = 100;
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 9, 0, 1, TimeSpan.Zero);
    private static readonly MappingOptions Options = new();
    private static readonly PersonSnapshot Ada = new(
        Guid.Parse("0198c2a0-3333-5000-8000-000000000001"),
        ["user-1", "device-1"],
        "user-1",
        IsIdentified: true,
        Now,
        ImmutableDictionary<string, JsonValue>.Empty
            .Add("email", new JsonValue("\"ada@example.com\""))
            .Add("name", new JsonValue("\"Ada\""))
            .Add("plan", new JsonValue("\"pro\"")),
        Version: 7);

    private readonly byte[] _body = Traffic.Of("mixed", "phc_bench", Events, 20_000).Request(0);
    private readonly SourcesOptions _limits = new()
    {
        BodyBytesMax = 20 << 20,
        EventBodyBytesMax = 2 << 20,
        WebhookBodyBytesMax = 2 << 20,
        InflatedBytesMax = 100 << 20,
        EventBytesMax = 1_000_000,
        JsonDepthMax = 64,
        EventsMax = 10_000,
    };

    private IReadOnlyList<CaptureEvent> _events = [];

    /// <summary>Decodes once, for the mapping alone.</summary>
    [GlobalSetup]
    public void Decoded() => _events = Decode();

    /// <summary>Decode, per event.</summary>
    [Benchmark(OperationsPerInvoke = Events)]
    public int DecodeBatch() => Decode().Count;

    /// <summary>Map with the original plugin's mapping, per event.</summary>
    [Benchmark(OperationsPerInvoke = Events)]
    public int MapPlugin()
    {
        var bytes = 0;
        foreach (var captured in _events)
        {
            bytes += PluginMapping.Map(captured).Messages.Sum(message => message.Body.Length);
        }

        return bytes;
    }

    /// <summary>Map with the mapping <c>contacts</c>, for an identified person whose contact does not change, per event.</summary>
    [Benchmark(OperationsPerInvoke = Events)]
    public int MapContacts()
    {
        var bytes = 0;
        foreach (var captured in _events)
        {
            bytes += ContactsMapping.Map(captured, Ada, EventChange.None, account: null, Options).Messages
                .Sum(message => message.Body.Length);
        }

        return bytes;
    }

    private IReadOnlyList<CaptureEvent> Decode() =>
        ((CaptureDecoding.Accepted)CaptureRequestDecoder.Decode(new CaptureRequest(CapturePath.Batch, _body, Now), _limits))
        .Events;
}
