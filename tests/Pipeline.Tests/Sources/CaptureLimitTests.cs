using System.Text;
using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class CaptureLimitTests
{
    [Fact]
    public void A_body_may_be_as_large_as_its_path_allows()
    {
        Assert.Equal(1, Accepted(new string(' ', (2 << 20) - Good.Length) + Good, CapturePath.LegacyEvents));
        Assert.Equal(
            new Refusal(413, "The body is larger than 2097152 bytes. Send fewer events per request."),
            Requests.Refused(new string(' ', (2 << 20) - Good.Length + 1) + Good, CapturePath.LegacyEvents));
        Assert.Equal(
            new Refusal(413, "The body is larger than 20971520 bytes. Send fewer events per request."),
            Requests.Refused(new string(' ', (20 << 20) - Good.Length + 1) + Good));
    }

    [Fact]
    public void An_event_over_a_million_bytes_is_kept_without_its_content_and_its_neighbours_with_theirs()
    {
        Assert.Equal(1, Accepted(Sized(1_000_000)));
        Assert.Equal(2, Accepted($"[{Good},{Sized(1_000_000)}]"));
        AssertEmptied(Requests.Event(Sized(1_000_001)));
        var events = Requests.Events(Requests.Request($$"""{"token":"t","batch":[{{Good}},{{Sized(1_000_001)}},{{Good}}]}"""));
        Assert.Equal([Good, "{}", Good], events.Select(Requests.JsonOf));
        AssertEmptied(events[1]);
    }

    [Fact]
    public void What_is_kept_of_a_large_event_is_small_whichever_field_is_the_large_one()
    {
        var text = new string('x', 1_000_001);
        var named = Requests.Event("{\"event\":\"" + text + "\",\"distinct_id\":\"d\",\"token\":\"t\"}");
        Assert.Equal(("", "d", CaptureNotes.TooLarge), (named.Event, named.DistinctId, named.Notes & CaptureNotes.TooLarge));

        var half = Requests.Event(
            "{\"event\":\"" + text[..600_000] + "\",\"distinct_id\":\"" + text[..600_000] + "\",\"token\":\"t\"}");
        Assert.Equal((200, 200), (half.Event.Length, half.DistinctId.Length));

        var identified = Requests.Event("{\"event\":\"e\",\"distinct_id\":[\"" + text + "\"],\"token\":\"t\"}");
        Assert.Equal(("e", ""), (identified.Event, identified.DistinctId));
        Assert.True(identified.Notes.HasFlag(CaptureNotes.NoDistinctId | CaptureNotes.TooLarge));

        Assert.Equal(401, Requests.Refused("{\"event\":\"e\",\"distinct_id\":\"d\",\"token\":\"" + text + "\"}").Status);
    }

    [Fact]
    public void Events_do_not_keep_a_payload_that_is_mostly_something_else()
    {
        var captured = Requests.Events(Requests.Request(new string(' ', 1 << 20) + Good)).Single();

        Assert.True(System.Runtime.InteropServices.MemoryMarshal.TryGetArray(captured.Json, out var array));
        Assert.Equal(Good.Length, array.Array!.Length);
    }

    [Fact]
    public void A_request_may_hold_ten_thousand_events_and_not_one_more()
    {
        Assert.Equal(10_000, Accepted("[" + string.Join(',', Enumerable.Repeat(Good, 10_000)) + "]"));
        Assert.Equal(
            new Refusal(413, "The request holds more than 10000 events. Send fewer events per request."),
            Requests.Refused("[" + string.Join(',', Enumerable.Repeat(Good, 10_001)) + "]"));
    }

    [Theory]
    [InlineData("{0}")]
    [InlineData("[{0}]")]
    [InlineData("{{\"token\":\"t\",\"batch\":[{0}]}}")]
    public void An_event_may_be_64_levels_deep_and_not_one_more(string shape)
    {
        var refusal = new Refusal(400, "An event is nested deeper than 64 levels. Send flatter properties.");

        Assert.Equal(1, Accepted(string.Format(null, shape, Deep(64))));
        Assert.Equal(refusal, Requests.Refused(string.Format(null, shape, Deep(65))));
        Assert.Equal(refusal, Requests.Refused(string.Format(null, shape, Deep(100_000))));
    }

    [Fact]
    public void A_gzip_bomb_is_refused_before_memory_is_spent()
    {
        var refusal = new Refusal(413, "The payload inflates to more than 104857600 bytes. Send fewer events per request.");
        var bomb = Requests.Request(GzipOfSpaces(150 << 20));

        Assert.Equal(refusal, Refused(bomb, bytesMax: 1 << 20));
    }

    [Fact]
    public void A_gzip_that_lies_about_its_size_is_refused()
    {
        foreach (var claim in new uint[] { 0, 1, (uint)Good.Length - 1, (uint)Good.Length + 1, 50 << 20, uint.MaxValue })
        {
            var lying = Requests.Gzip(Good);
            BitConverter.TryWriteBytes(lying.AsSpan(lying.Length - 4), claim);
            Assert.Equal(400, Refused(Requests.Request(lying), bytesMax: 1 << 20).Status);
        }
    }

    [Fact]
    public void A_large_honest_gzip_is_read()
    {
        var gzip = Requests.Gzip("[" + string.Join(',', Enumerable.Repeat(Sized(900_000), 9)) + "]");

        Assert.Equal(9, Requests.Events(Requests.Request(gzip)).Count);
    }

    [Fact]
    public void An_lz_string_bomb_is_refused_before_memory_is_spent()
    {
        var bomb = Requests.Request(LzStringSample.Bomb(20L << 30)) with { Compression = "lz64" };

        Assert.Equal(
            new Refusal(413, "The payload inflates to more than 104857600 bytes. Send fewer events per request."),
            Refused(bomb, bytesMax: 1 << 20));
    }

    [Fact]
    public void Lz_string_is_for_small_payloads()
    {
        var request = Requests.Request(Encoding.ASCII.GetBytes(new string('A', (2 << 20) + 4))) with { Compression = "lz64" };

        Assert.Equal(
            new Refusal(413, "The lz-string payload is larger than 2097152 bytes. Send gzip, or fewer events per request."),
            Requests.Refused(request));
    }

    [Fact]
    public void A_million_names_are_an_event_without_content()
    {
        var names = string.Join(',', Enumerable.Range(0, 1_000_000).Select(i => $"\"k{i}\":{i}"));

        var body = "{\"token\":\"t\",\"event\":\"e\",\"distinct_id\":\"d\",\"a\":{" + names + "}}";
        AssertEmptied(Requests.Events(Requests.Request(body)).Single());
    }

    [Fact]
    public void A_number_of_ten_thousand_digits_has_a_defined_result()
    {
        var digits = new string('1', 10_000);

        Assert.Equal(400, Requests.Refused(With(digits)).Status);
        Assert.Equal(400, Requests.Refused(With("1e10000")).Status);
        Assert.Equal(1, Accepted(With("0." + digits)));
        Assert.Equal(1, Accepted(With("1e-10000")));
    }

    private const string Good = """{"event":"e","distinct_id":"d","token":"t"}""";

    private static int Accepted(string json, CapturePath path = CapturePath.Batch) =>
        Requests.Events(Requests.Request(json, path)).Count;

    private static void AssertEmptied(CaptureEvent captured)
    {
        Assert.Equal(("e", "d", "{}"), (captured.Event, captured.DistinctId, Requests.JsonOf(captured)));
        Assert.True(captured.Notes.HasFlag(CaptureNotes.TooLarge));
    }

    private static Refusal Refused(CaptureRequest request, long bytesMax)
    {
        Requests.Decode(request);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var refusal = Requests.Refused(request);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, bytesMax);
        return refusal;
    }

    private static string With(string number) =>
        "{\"event\":\"e\",\"distinct_id\":\"d\",\"token\":\"t\",\"n\":" + number + "}";

    private static string Sized(int bytes)
    {
        var empty = """{"event":"e","distinct_id":"d","token":"t","x":""}""";
        return empty.Insert(empty.Length - 2, new string('x', bytes - empty.Length));
    }

    private static string Deep(int levels) =>
        """{"event":"e","distinct_id":"d","token":"t","a":"""
        + new string('[', levels - 1) + new string(']', levels - 1) + "}";

    private static byte[] GzipOfSpaces(int bytes)
    {
        using var target = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(target, System.IO.Compression.CompressionLevel.Fastest))
        {
            var block = Encoding.ASCII.GetBytes(new string(' ', 1 << 20));
            for (var written = 0; written < bytes; written += block.Length)
                gzip.Write(block);
        }

        return target.ToArray();
    }
}
