using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class WebhookDecoderTests
{
    public static TheoryData<string> ConformanceFiles => ["cases.jsonl", "fixtures.jsonl"];

    [Theory]
    [MemberData(nameof(ConformanceFiles))]
    public void Everything_that_the_original_plugin_was_given_is_taken_unchanged(string file)
    {
        var path = Path.Combine(AppContext.BaseDirectory, "Conformance", "plugin", file);
        var taken = 0;
        foreach (var line in File.ReadLines(path))
        {
            using var json = JsonDocument.Parse(line);
            var sent = json.RootElement.GetProperty("event").GetRawText();

            Assert.Equal(sent, Requests.JsonOf(Accepted($$"""{"event":{{sent}},"person":null}""")));
            taken++;
        }

        Assert.True(taken >= 8);
    }

    [Fact]
    public void A_webhook_event_keeps_what_PostHog_decided()
    {
        var captured = Accepted("""
            {"person":{"id":"stale","properties":{"distinct_id":"p"}},"event":{"uuid":"0198c2a0-1111-7000-8000-000000000001",
            "event":"$identify","distinct_id":"acc-21","timestamp":"2026-03-01T09:01:00.000Z","properties":{"distinct_id":"dev"}}}
            """);

        Assert.Equal(Guid.Parse("0198c2a0-1111-7000-8000-000000000001"), captured.Uuid);
        Assert.Equal(("$identify", "acc-21", Door.Webhook), (captured.Event, captured.DistinctId, captured.Door));
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 9, 1, 0, TimeSpan.Zero), captured.Timestamp);
        Assert.Equal((Requests.Now, CaptureNotes.None), (captured.ReceivedAt, captured.Notes));
    }

    [Fact]
    public void A_time_far_ahead_is_believed_because_PostHog_has_corrected_it() =>
        Assert.Equal(2030, Accepted(Event("\"timestamp\":\"2030-01-01T00:00:00Z\"")).Timestamp.Year);

    [Theory]
    [InlineData("\"distinct_id\":42", "42", CaptureNotes.None)]
    [InlineData("\"distinct_id\":\"\"", "", CaptureNotes.NoDistinctId)]
    [InlineData("\"distinct_id\":\"  \"", "", CaptureNotes.NoDistinctId)]
    [InlineData("\"distinct_id\":null", "", CaptureNotes.NoDistinctId)]
    [InlineData("\"properties\":{}", "", CaptureNotes.NoDistinctId)]
    [InlineData("\"properties\":{\"distinct_id\":\"p\"}", "p", CaptureNotes.None)]
    [InlineData("\"distinct_id\":1e999", "1e999", CaptureNotes.None)]
    public void A_missing_distinct_id_is_noted(string field, string expected, CaptureNotes notes)
    {
        var captured = Accepted(Event(field));

        Assert.Equal(expected, captured.DistinctId);
        Assert.Equal(CaptureNotes.UuidMade | CaptureNotes.TimestampMade | notes, captured.Notes);
    }

    [Theory]
    [InlineData("\"uuid\":\"\",\"timestamp\":\"\"", CaptureNotes.UuidMade | CaptureNotes.TimestampMade)]
    [InlineData("\"uuid\":null,\"timestamp\":null", CaptureNotes.UuidMade | CaptureNotes.TimestampMade)]
    [InlineData("\"uuid\":\"x\",\"timestamp\":\"x\"", CaptureNotes.TimestampInvalid)]
    [InlineData("\"uuid\":\"x\",\"timestamp\":7", CaptureNotes.TimestampInvalid)]
    [InlineData("\"uuid\":\"x\",\"timestamp\":\"0000-01-01\"", CaptureNotes.TimestampInvalid)]
    public void A_missing_or_unreadable_uuid_and_timestamp_are_made_up(string fields, CaptureNotes notes)
    {
        var captured = Accepted(Event(fields));

        Assert.Equal(Requests.Now, captured.Timestamp);
        Assert.Equal(CaptureNotes.NoDistinctId | notes, captured.Notes);
    }

    [Fact]
    public void An_id_that_is_no_uuid_always_becomes_the_same_uuid()
    {
        var first = Accepted(Event("\"uuid\":\"event-7\""));

        Assert.Equal(5, first.Uuid.Version);
        Assert.Equal(first.Uuid, Accepted(Event("\"distinct_id\":1,\"uuid\":\"event-7\"")).Uuid);
        Assert.NotEqual(first.Uuid, Accepted(Event("\"uuid\":\"event-8\"")).Uuid);
        Assert.Contains("\"event-7\"", Requests.JsonOf(first));
    }

    [Theory]
    [InlineData("\"event\":7")]
    [InlineData("\"event\":null")]
    [InlineData("\"event\":\"\"")]
    [InlineData("\"event\":[]")]
    [InlineData("\"properties\":{}")]
    public void An_event_without_a_name_is_taken(string field) => Assert.Equal("", Accepted(Event(field)).Event);

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"event\":null}")]
    [InlineData("{\"event\":\"$pageview\"}")]
    [InlineData("{\"event\":[]}")]
    [InlineData("{\"event\":{},\"event\":7}")]
    [InlineData("{\"person\":{\"event\":{}}}")]
    public void Without_an_event_object_the_request_is_refused(string body) =>
        Assert.Equal(
            new Refusal(400, "\"event\" is missing or not an object. Set the webhook's body to {\"event\": \"{event}\"}."),
            Refused(body));

    [Theory]
    [InlineData("", "The body is not a JSON object. Send {\"event\": {event}} as the PostHog webhook destination does.")]
    [InlineData("[]", "The body is not a JSON object. Send {\"event\": {event}} as the PostHog webhook destination does.")]
    [InlineData("{\"event\":{}", "The payload is not valid JSON (line 1, byte 12).")]
    [InlineData("{\"event\":{}}x", "The payload is not valid JSON (line 1, byte 13).")]
    public void What_is_no_JSON_object_is_refused(string body, string reason) =>
        Assert.Equal(new Refusal(400, reason), Refused(body));

    [Fact]
    public void Limits_hold_for_the_webhook_too()
    {
        Assert.Equal(413, Refused(new string(' ', (2 << 20) + 1)).Status);
        var large = Accepted(Event($"\"event\":\"e\",\"distinct_id\":\"d\",\"a\":\"{new string('x', 1_000_000)}\""));
        Assert.Equal(("e", "d", "{}"), (large.Event, large.DistinctId, Requests.JsonOf(large)));
        Assert.True(large.Notes.HasFlag(CaptureNotes.TooLarge));
        Assert.Equal(400, Refused(Event("\"a\":" + new string('[', 100_000))).Status);
        Assert.Equal(
            Refused(Event("\"a\":" + new string('[', 64) + new string(']', 64))),
            new Refusal(400, "An event is nested deeper than 64 levels. Send flatter properties."));
        Accepted(Event("\"a\":" + new string('[', 63) + new string(']', 63)));
    }

    private static string Event(string fields) => "{\"event\":{" + fields + "}}";

    private static CaptureEvent Accepted(string body) => ((WebhookDecoding.Accepted)Decode(body)).Event;

    private static Refusal Refused(string body) => ((WebhookDecoding.Refused)Decode(body)).Refusal;

    private static WebhookDecoding Decode(string body) =>
        WebhookDecoder.Decode(Encoding.UTF8.GetBytes(body), Requests.Now, Requests.Limits());
}
