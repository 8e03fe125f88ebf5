using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class CaptureShapeTests
{
    private const string Uuid = "0198c2a0-1111-7000-8000-000000000001";

    [Theory]
    [InlineData("""{"api_key":"t","batch":[{"event":"a","distinct_id":"d"},{"event":"b","distinct_id":"d"}]}""", "a,b")]
    [InlineData("""{"batch":[{"event":"a","distinct_id":"d"}],"token":"t","event":7,"uuid":7}""", "a")]
    [InlineData("""{"batch":[{"event":"x","distinct_id":"d"}],"batch":[{"event":"a","distinct_id":"d"}],"token":"t"}""", "a")]
    [InlineData("""[{"event":"a","distinct_id":"d","token":"t"},{"event":"b","distinct_id":"d"}]""", "a,b")]
    [InlineData("""{"event":"a","distinct_id":"d","token":"t"}""", "a")]
    [InlineData("""{"event":"a","distinct_id":"d","token":"t","batch":"of bread"}""", "a")]
    [InlineData("""  {"event":"x","event":"a","distinct_id":"d","token":"t"}  """, "a")]
    [InlineData("""[{"event":"$performance_event","token":"t"},{"event":"a","distinct_id":"d"}]""", "a")]
    [InlineData("""{"event":"$performance_event","token":"t"}""", "")]
    [InlineData("""{"event":"a\u0000b","distinct_id":"d","token":"t"}""", "a\uFFFDb")]
    public void The_three_shapes_are_read(string json, string names) =>
        Assert.Equal(names, string.Join(',', Requests.Events(Requests.Request(json)).Select(captured => captured.Event)));

    [Theory]
    [InlineData("""{"$distinct_id":"d","$token":"t","$set":{"a":1}}""")]
    [InlineData("""{"$distinct_id":"d","$token":"t","event":null}""")]
    public void On_engage_a_single_event_without_a_name_is_an_identify(string json)
    {
        Assert.Equal("$identify", Requests.Event(json, CapturePath.Engage).Event);
        Assert.Equal(NameMissing(0), Requests.Refused(json, CapturePath.LegacyEvents));
    }

    [Theory]
    [InlineData("""[{"distinct_id":"d","token":"t"}]""")]
    [InlineData("""{"batch":[{"distinct_id":"d"}],"token":"t"}""")]
    [InlineData("""{"event":"","distinct_id":"d","token":"t"}""")]
    public void On_engage_every_other_event_needs_its_name(string json) =>
        Assert.Equal(NameMissing(0), Requests.Refused(json, CapturePath.Engage));

    [Theory]
    [InlineData("", 400, "The request holds no payload. Send the events as JSON in the body, or in the query parameter data.")]
    [InlineData(" ", 400, "The payload is not valid JSON (line 1, byte 2).")]
    [InlineData("7", 400, "The payload is neither an event, an array of events, nor an object with a batch array.")]
    [InlineData("{", 400, "The payload is not valid JSON (line 1, byte 2).")]
    [InlineData("[]x", 400, "The batch is empty. Send at least one event.")]
    [InlineData("[{}]x", 400, "The payload is not valid JSON (line 1, byte 5).")]
    [InlineData("[{},]", 400, "The payload is not valid JSON (line 1, byte 5).")]
    [InlineData("{\"batch\":[]}", 400, "The batch is empty. Send at least one event.")]
    [InlineData("{\"batch\":{}}", 400, "\"batch\" must be an array of events.")]
    [InlineData("{\"batch\":[7]}", 400, "Event 0: it must be an object.")]
    [InlineData("[{\"event\":\"a\"},null]", 400, "Event 1: it must be an object.")]
    [InlineData("{\"batch\":[{}],\"sent_at\":7}", 400, "\"sent_at\" must be a string, an ISO 8601 time.")]
    [InlineData("{\"batch\":[{}],\"historical_migration\":1}", 400, "\"historical_migration\" must be true or false.")]
    [InlineData("{\"batch\":[{}],\"api_key\":1}", 400, "The project token must be a string.")]
    [InlineData("[{\"token\":7}]", 400, "The project token must be a string.")]
    [InlineData("[{\"a\":1e999}]", 400, "A number is out of range. Send numbers that fit a double, or send them as strings.")]
    public void What_cannot_be_read_is_refused_with_a_reason(string body, int status, string reason) =>
        Assert.Equal(new Refusal(status, reason), Requests.Refused(body));

    [Theory]
    [InlineData("\"event\":7", "\"event\" must be a string.")]
    [InlineData("\"uuid\":7", "\"uuid\" must be a uuid, or left out.")]
    [InlineData("\"uuid\":\"7\"", "\"uuid\" must be a uuid, or left out.")]
    [InlineData("\"uuid\":\"(0198c2a0-1111-7000-8000-000000000001)\"", "\"uuid\" must be a uuid, or left out.")]
    [InlineData("\"timestamp\":1672574400", "\"timestamp\" must be a string, an ISO 8601 time.")]
    [InlineData("\"offset\":\"1\"", "\"offset\" must be a whole number of milliseconds.")]
    [InlineData("\"offset\":1.5", "\"offset\" must be a whole number of milliseconds.")]
    [InlineData("\"offset\":9223372036854775808", "\"offset\" must be a whole number of milliseconds.")]
    [InlineData("\"properties\":null", "\"properties\" must be an object.")]
    [InlineData("\"properties\":[]", "\"properties\" must be an object.")]
    [InlineData("\"$set\":\"a\"", "\"$set\" must be an object.")]
    [InlineData("\"$set_once\":[]", "\"$set_once\" must be an object.")]
    [InlineData("\"properties\":{\"$cookieless_mode\":\"yes\"}", "\"$cookieless_mode\" must be true or false.")]
    [InlineData("\"properties\":{\"$cookieless_mode\":null}", "\"$cookieless_mode\" must be true or false.")]
    [InlineData("\"event\":null", "\"event\" is missing or empty. Send the event's name.")]
    public void One_bad_event_refuses_the_whole_batch(string field, string reason)
    {
        var good = """{"event":"e","distinct_id":"d"}""";
        var bad = $$"""{"event":"e","distinct_id":"d",{{field}}}""";

        Assert.Equal(
            new Refusal(400, "Event 1: " + reason),
            Requests.Refused($$"""{"token":"t","batch":[{{good}},{{bad}},{{good}}]}"""));
    }

    [Theory]
    [InlineData(Uuid)]
    [InlineData("0198C2A0-1111-7000-8000-000000000001")]
    [InlineData("0198c2a0111170008000000000000001")]
    [InlineData("{0198c2a0-1111-7000-8000-000000000001}")]
    [InlineData("urn:uuid:0198c2a0-1111-7000-8000-000000000001")]
    public void A_uuid_is_read_in_every_usual_form(string uuid)
    {
        var captured = Requests.Event($$"""{"event":"e","distinct_id":"d","token":"t","uuid":"{{uuid}}"}""");

        Assert.Equal(Guid.Parse(Uuid), captured.Uuid);
        Assert.Equal(CaptureNotes.TimestampMade, captured.Notes);
    }

    [Theory]
    [InlineData("")]
    [InlineData(",\"uuid\":\"\"")]
    [InlineData(",\"uuid\":null")]
    public void A_missing_uuid_is_made_of_the_time_of_receipt(string field)
    {
        var captured = Requests.Event("{\"event\":\"e\",\"distinct_id\":\"d\",\"token\":\"t\"" + field + "}");

        Assert.Equal(7, captured.Uuid.Version);
        Assert.Equal(Requests.Now.ToUnixTimeMilliseconds(), Convert.ToInt64(captured.Uuid.ToString("N")[..12], 16));
        Assert.True(captured.Notes.HasFlag(CaptureNotes.UuidMade));
    }

    [Fact]
    public void Json_is_the_event_as_it_was_sent()
    {
        var first = """{"event":"e","distinct_id":"d", "properties" : {"a":1.50,"a":2,"ü":"\u00fc"} }""";
        var second = """{ "event":"f","distinct_id":"d" }""";
        var events = Requests.Events(Requests.Request($$"""{"token":"t","batch":[ {{first}} , {{second}} ]}"""));

        Assert.Equal([first, second], events.Select(Requests.JsonOf));
        Assert.Equal(first, Requests.JsonOf(Requests.Event(first[..^1] + ",\"token\":\"t\"}")).Replace(",\"token\":\"t\"", ""));
        Assert.All(events, captured => Assert.Equal((Requests.Now, Door.Capture), (captured.ReceivedAt, captured.Door)));
    }

    [Fact]
    public void Lone_surrogates_are_replaced_and_everything_else_is_left_alone()
    {
        var sent = """{"event":"e","distinct_id":"d","token":"t","a":"\ud83d \uDE00 \ud83d\ude00 \\ud83d \\\ud83d \ud83d"}""";
        var kept = """{"event":"e","distinct_id":"d","token":"t","a":"\ufffd \ufffd \ud83d\ude00 \\ud83d \\\ufffd \ufffd"}""";

        Assert.Equal(kept, Requests.JsonOf(Requests.Event(sent)));
    }

    [Fact]
    public void Historical_migration_marks_every_event()
    {
        var json = """{"batch":[{"event":"e","distinct_id":"d"}],"token":"t","historical_migration":true}""";

        Assert.True(Requests.Event(json).Notes.HasFlag(CaptureNotes.Historical));
        Assert.False(Requests.Event(json.Replace("true", "false")).Notes.HasFlag(CaptureNotes.Historical));
    }

    [Fact]
    public void The_fingerprint_tells_repeats_from_other_events_with_the_same_uuid()
    {
        var first = Fingerprint("\"properties\":{\"a\":1},\"$set\":{\"b\":1},\"$set_once\":{\"c\":1}");

        Assert.Equal(first, Fingerprint("\"$set_once\":{\"c\":1},\"$set\":{\"b\":1},\"properties\":{\"a\":1},\"offset\":9"));
        Assert.NotEqual(first, Fingerprint("\"properties\":{\"a\":2},\"$set\":{\"b\":1},\"$set_once\":{\"c\":1}"));
        Assert.NotEqual(first, Fingerprint("\"properties\":{\"a\":1},\"$set\":{\"b\":2},\"$set_once\":{\"c\":1}"));
        Assert.NotEqual(first, Fingerprint("\"properties\":{\"a\":1},\"$set\":{\"b\":1},\"$set_once\":{\"c\":2}"));
        Assert.NotEqual(first, Fingerprint("\"properties\":{\"a\":1},\"$set\":{\"c\":1},\"$set_once\":{\"b\":1}"));
        Assert.NotEqual(first, Fingerprint("\"properties\":{\"a\":1},\"$set\":{\"b\":1},\"$set_once\":{\"c\":1}", name: "f"));
        Assert.NotEqual(first, Fingerprint("\"properties\":{\"a\":1},\"$set\":{\"b\":1},\"$set_once\":{\"c\":1}", id: "f"));
    }

    private static ulong Fingerprint(string fields, string name = "e", string id = "d") =>
        Requests.Event($$"""{"event":"{{name}}","distinct_id":"{{id}}","token":"t",{{fields}}}""").Fingerprint;

    private static Refusal NameMissing(int index) => new(400, $"Event {index}: \"event\" is missing or empty. Send the event's name.");
}
