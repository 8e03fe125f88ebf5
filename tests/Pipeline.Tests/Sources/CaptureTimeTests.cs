using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class CaptureTimeTests
{
    [Theory]
    [InlineData("2026-02-28T11:00:00Z", "2026-02-28T11:00:00.0000000Z")]
    [InlineData("2026-02-28T11:00:00.123Z", "2026-02-28T11:00:00.1230000Z")]
    [InlineData("2026-02-28T11:00:00.123456789Z", "2026-02-28T11:00:00.1234567Z")]
    [InlineData("2026-02-28t11:00:00z", "2026-02-28T11:00:00.0000000Z")]
    [InlineData("2026-02-28T11:00:00+03:00", "2026-02-28T08:00:00.0000000Z")]
    [InlineData("2026-02-28T11:00:00+0300", "2026-02-28T08:00:00.0000000Z")]
    [InlineData("2026-02-28T11:00:00.5+03", "2026-02-28T08:00:00.5000000Z")]
    [InlineData("2026-02-28T11:00:00-05", "2026-02-28T16:00:00.0000000Z")]
    [InlineData("2026-02-28T11:00:00", "2026-02-28T11:00:00.0000000Z")]
    [InlineData("2026-02-28T11:00", "2026-02-28T11:00:00.0000000Z")]
    [InlineData("2026-02-28 11:00:00", "2026-02-28T11:00:00.0000000Z")]
    [InlineData("2026-02-28 11:00:00.25 UTC", "2026-02-28T11:00:00.2500000Z")]
    [InlineData(" 2026-02-28T11:00:00Z ", "2026-02-28T11:00:00.0000000Z")]
    [InlineData("2026-02-28", "2026-02-28T00:00:00.0000000Z")]
    [InlineData("2026/02/28", "2026-02-28T00:00:00.0000000Z")]
    [InlineData("02/28/2026 11:00:00", "2026-02-28T11:00:00.0000000Z")]
    [InlineData("Tue, 1 Jul 2003 10:52:37 +0200", "2003-07-01T08:52:37.0000000Z")]
    [InlineData("1 jul 2003 10:52 GMT", "2003-07-01T10:52:00.0000000Z")]
    [InlineData("1672574400", "2023-01-01T12:00:00.0000000Z")]
    [InlineData("1672574400123", "2023-01-01T12:00:00.1230000Z")]
    [InlineData("1672574400123456789", "2023-01-01T12:00:00.1234567Z")]
    [InlineData("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.0000000Z")]
    [InlineData("2024-02-29", "2024-02-29T00:00:00.0000000Z")]
    [InlineData("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000Z")]
    [InlineData("0000-06-01T00:00:00Z", "1970-01-01T00:00:00.0000000Z")]
    [InlineData("2026-03-02T11:00:00Z", "2026-03-01T12:00:00.0000000Z")]
    [InlineData("2026-03-02T10:59:59Z", "2026-03-02T10:59:59.0000000Z")]
    [InlineData("9999-12-31T23:59:59Z", "2026-03-01T12:00:00.0000000Z")]
    [InlineData("\\u0032026-02-28", "2026-02-28T00:00:00.0000000Z")]
    public void Timestamps_are_read_leniently(string timestamp, string expected)
    {
        var captured = At($"\"timestamp\":\"{timestamp}\"");

        // 23 hours ahead exactly is still believed.
        expected = timestamp == "2026-03-02T11:00:00Z" ? "2026-03-02T11:00:00.0000000Z" : expected;
        Assert.Equal(expected, captured.Timestamp.UtcDateTime.ToString("O"));
        Assert.Equal(TimeSpan.Zero, captured.Timestamp.Offset);
        Assert.Equal(CaptureNotes.UuidMade, captured.Notes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("yesterday")]
    [InlineData("2026-02-30")]
    [InlineData("2026-13-01T00:00:00Z")]
    [InlineData("2026-02-28T24:00:00Z")]
    [InlineData("2026-02-28T11:00:00X")]
    [InlineData("2026-02-28T11:00:00.Z")]
    [InlineData("2026-02-28T11:00:00Z trailing")]
    [InlineData("16725744")]
    [InlineData("99999999999999999999")]
    [InlineData("Tue, 1 Foo 2003 10:52:37 +0200")]
    [InlineData("2026-02-28T11:00:00+99:00")]
    [InlineData("٢٠٢٦-02-28")]
    [InlineData("2026-02-28T11:00:00Z2026-02-28T11:00:00Z2026-02-28T11:00:00Z2026-02-28T11:00:00Z")]
    public void An_unreadable_timestamp_becomes_the_time_of_receipt_and_is_noted(string timestamp)
    {
        var captured = At($"\"timestamp\":\"{timestamp}\"");

        Assert.Equal(Requests.Now, captured.Timestamp);
        Assert.Equal(CaptureNotes.UuidMade | CaptureNotes.TimestampInvalid, captured.Notes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"timestamp\":null,")]
    public void A_missing_timestamp_becomes_the_time_of_receipt(string field)
    {
        var captured = At(field.TrimEnd(','));

        Assert.Equal(Requests.Now, captured.Timestamp);
        Assert.Equal(CaptureNotes.UuidMade | CaptureNotes.TimestampMade, captured.Notes);
    }

    [Theory]
    [InlineData("1000", "2026-03-01T11:59:59")]
    [InlineData("-1000", "2026-03-01T12:00:01")]
    [InlineData("-82800001", "2026-03-01T12:00:00")]
    [InlineData("9223372036854775807", "1970-01-01T00:00:00")]
    [InlineData("-9223372036854775808", "2026-03-01T12:00:00")]
    public void An_offset_beats_everything(string offset, string expected)
    {
        var captured = At($"\"timestamp\":\"2020-01-01\",\"offset\":{offset}");

        Assert.Equal(expected, captured.Timestamp.UtcDateTime.ToString("s"));
    }

    [Theory]
    [InlineData("2026-03-01T12:00:10Z", null, "2026-03-01T10:59:50")]
    [InlineData("2026-03-01T11:59:50Z", null, "2026-03-01T11:00:10")]
    [InlineData("2026-03-01T12:00:10Z", "1772366400000", "2026-03-01T10:59:50")]
    [InlineData("nonsense", "1772366410000", "2026-03-01T10:59:50")]
    [InlineData(null, "1772366410000", "2026-03-01T10:59:50")]
    [InlineData(null, "1772366410", "2026-03-01T11:00:00")]
    [InlineData(null, "99999999999999999999", "2026-03-01T11:00:00")]
    [InlineData(null, "soon", "2026-03-01T11:00:00")]
    [InlineData(null, null, "2026-03-01T11:00:00")]
    public void Clock_skew_is_taken_out_with_sent_at(string? envelope, string? query, string expected)
    {
        var sentAt = envelope is null ? "" : $"\"sent_at\":\"{envelope}\",";
        var json = $$"""
            {"api_key":"t",{{sentAt}}"batch":[{"event":"e","distinct_id":"d","timestamp":"2026-03-01T11:00:00Z"}]}
            """;
        var captured = Requests.Events(Requests.Request(json) with { SentAt = query }).Single();

        Assert.Equal(expected, captured.Timestamp.UtcDateTime.ToString("s"));
    }

    [Theory]
    [InlineData("true", "2026-03-01T11:00:00")]
    [InlineData("false", "2026-03-01T10:59:50")]
    [InlineData("1", "2026-03-01T10:59:50")]
    public void Only_a_true_ignore_sent_at_keeps_the_timestamp(string value, string expected)
    {
        var json = $$$"""
            {"batch":[{"event":"e","distinct_id":"d","timestamp":"2026-03-01T11:00:00Z",
            "properties":{"$ignore_sent_at":{{{value}}}}}],"sent_at":"2026-03-01T12:00:10Z","token":"t"}
            """;

        Assert.Equal(expected, Requests.Event(json).Timestamp.UtcDateTime.ToString("s"));
    }

    private static CaptureEvent At(string fields) =>
        Requests.Event($$"""{"token":"t","event":"e","distinct_id":"d"{{(fields == "" ? "" : ",")}}{{fields}}}""");
}
