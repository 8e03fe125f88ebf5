using System.Text;
using Akka.Actor;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Metering;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>The golden files are what other nodes send: they may be added to, never changed.</summary>
public sealed class DeliverySerializerTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("serializer-tests", "akka.stdout-loglevel = OFF");
    private readonly DeliverySerializer _serializer;

    public DeliverySerializerTests() => _serializer = new DeliverySerializer((ExtendedActorSystem)_system);

    public static TheoryData<string> Manifests() => [.. DeliverySerializer.Manifests.Values.Order(StringComparer.Ordinal)];

    public void Dispose() => _system.Dispose();

    [Theory]
    [MemberData(nameof(Manifests))]
    public void What_is_written_is_what_the_golden_file_says(string manifest)
    {
        var sample = Samples().Single(sample => _serializer.Manifest(sample) == manifest);

        var written = Encoding.UTF8.GetString(_serializer.ToBinary(sample));

        Assert.Equal(Golden(manifest), written);
    }

    [Theory]
    [MemberData(nameof(Manifests))]
    public void What_the_golden_file_says_is_read_back_whole(string manifest)
    {
        var read = _serializer.FromBinary(Encoding.UTF8.GetBytes(Golden(manifest)), manifest);

        Assert.Equal(manifest, _serializer.Manifest(read));
        Assert.Equal(Golden(manifest), Encoding.UTF8.GetString(_serializer.ToBinary(read)));
    }

    [Fact]
    public void Everything_that_a_slice_or_a_gate_takes_has_a_manifest()
    {
        var wire = typeof(DeliveryMessage).Assembly.GetTypes()
            .Where(type => !type.IsAbstract)
            .Where(type => type.IsAssignableTo(typeof(DeliveryMessage)) || type.IsAssignableTo(typeof(ConnectionMessage)));

        Assert.All(wire, type => Assert.Contains(type, DeliverySerializer.Manifests.Keys));
    }

    [Fact]
    public void What_earlier_builds_do_not_tell_in_a_report_is_read_back_if_it_is_told()
    {
        var report = GateSetup.Report(3, live: 64, taken: 40) with { Delivered = 38, HoldMilliseconds = 1_500 };

        var written = _serializer.ToBinary(report);

        Assert.Contains("\"delivered\":38", Encoding.UTF8.GetString(written), StringComparison.Ordinal);
        Assert.Equal(report, _serializer.FromBinary(written, _serializer.Manifest(report)));
    }

    [Fact]
    public void What_was_added_to_the_messages_of_a_gate_comes_back_as_it_was()
    {
        var report = GateSetup.Report(3) with { Latencies = [40, 3, 41, 1] };
        Assert.Equal([40, 3, 41, 1], Sent(report).Latencies.ToArray());
        var permits = (PermitsGranted)Samples().Single(sample => sample is PermitsGranted) with { SkipBelow = 1_000 };
        Assert.Equal(1_000, Sent(permits).SkipBelow);
        var status = (DeliveryStatus)Samples().Single(sample => sample is DeliveryStatus) with
        {
            Latency = new LatencyPercentiles(9, TimeSpan.FromMilliseconds(10), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
        };
        Assert.Equal(status, Sent(status));
    }

    private T Sent<T>(T message)
        where T : notnull =>
        (T)_serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message));

    private static string Golden(string manifest) =>
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Delivery", "Golden", $"{manifest}.json")).TrimEnd();

    private static IEnumerable<object> Samples()
    {
        yield return new DeliveryMessage.Poke(new DeliveryId("acme", 3));
        yield return new DeliveryMessage.Settle(new DeliveryId("acme", 3));
        yield return new SliceSettled();
        yield return GateSetup.Report(
            3, live: 64, backfill: 2, unused: 1, epoch: 9, taken: 40, failed: 3, throttled: 1, "status-401", true, ProbeResult.Failed);
        yield return new ConnectionMessage.PauseDelivery("acme");
        yield return new ConnectionMessage.ResumeDelivery("acme", ResumeMode.Since, GateSetup.Noon);
        yield return new ConnectionMessage.ChangeRate("acme", 200, 20);
        yield return new ConnectionMessage.GetDelivery("acme");
        yield return new PermitsGranted(
            [0, 5_000, 10_000], [15_000], 100_000, 9, false, true, false, ResumeMode.Latest, GateSetup.Noon, GateSetup.Noon);
        yield return new DeliveryStatus(
            "acme", DeliveryMode.Open, "status-401", GateSetup.Noon, 200, 20, 100, true, GateSetup.Noon, GateSetup.Noon);
    }
}
