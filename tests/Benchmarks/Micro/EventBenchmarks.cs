using System.Buffers;
using System.Collections.Immutable;
using Akka.Actor;
using BenchmarkDotNet.Attributes;
using VarianceActors.Benchmarks.Processes;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Benchmarks;

/// <summary>What one event costs in each step, and the bytes that the step allocates: decoding a batch of a hundred, the inbox's
/// binary form, the rules of a person, the journal's form of what they decide, and mapping.</summary>
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
    private readonly ArrayBufferWriter<byte> _row = new(1 << 20);

    private IReadOnlyList<CaptureEvent> _events = [];

    private ActorSystem _system = null!;
    private PersonSerializer _serializer = null!;
    private ApplyEvents[] _commands = [];
    private PersonFact _fact = null!;
    private byte[] _factBytes = [];

    /// <summary>Decodes once, for the steps behind.</summary>
    [GlobalSetup]
    public void Prepare()
    {
        _events = Decode();
        _system = ActorSystem.Create("benchmarks");
        _serializer = new PersonSerializer((ExtendedActorSystem)_system);
        _commands = [.. _events
            .Where(captured => captured.Event is not ("$identify" or "$create_alias"))
            .Select(captured => new ApplyEvents(
                new PersonId("bench", captured.DistinctId), captured.DistinctId, [new EventAt(1, captured)]))];
        _fact = Decide(_commands[0]).Facts[0];
        _factBytes = _serializer.ToBinary(_fact);
    }

    /// <summary>Ends what was started.</summary>
    [GlobalCleanup]
    public Task StopAsync() => _system.Terminate();

    /// <summary>The inbox's form of an event.</summary>
    [Benchmark(OperationsPerInvoke = Events)]
    public int EncodeInbox()
    {
        _row.ResetWrittenCount();
        InboxRow.Begin(_row);
        foreach (var captured in _events)
        {
            InboxRow.Append(_row, captured);
        }

        return _row.WrittenCount;
    }

    /// <summary>The first event of a person, which is the dearest: it is born.</summary>
    [Benchmark]
    public int DecidePerson() => Decide(_commands[0]).Facts.Length;

    /// <summary>What the rules decided, as the journal keeps it.</summary>
    [Benchmark]
    public int SerializeFact() => _serializer.ToBinary(_fact).Length;

    /// <summary>The same read back.</summary>
    [Benchmark]
    public object DeserializeFact() => _serializer.FromBinary(_factBytes, _serializer.Manifest(_fact));

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
        ((CaptureDecoding.Accepted)CaptureRequestDecoder.Decode(new CaptureRequest(CapturePath.Batch, _body, Now), MappingMeasure.Limits))
        .Events;

    private static Decision Decide(ApplyEvents command) =>
        Person.Decide(PersonState.Unborn(command.To), command, PersonRules.Posthog);
}
