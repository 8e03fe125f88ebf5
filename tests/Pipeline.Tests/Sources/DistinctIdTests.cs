using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class DistinctIdTests
{
    [Theory]
    [InlineData("""  "distinct_id":"ann"  """, "ann")]
    [InlineData("""  "distinct_id":" Ann "  """, " Ann ")]
    [InlineData("""  "$distinct_id":"ann"  """, "ann")]
    [InlineData("""  "properties":{"distinct_id":"ann"}  """, "ann")]
    [InlineData("""  "distinct_id":"top","properties":{"distinct_id":"low"}  """, "top")]
    [InlineData("""  "distinct_id":null,"properties":{"distinct_id":"low"}  """, "low")]
    [InlineData("""  "distinct_id":"one","distinct_id":"two"  """, "two")]
    [InlineData("""  "distinct\u005fid":"\u0061nn"  """, "ann")]
    [InlineData("""  "distinct_id":42  """, "42")]
    [InlineData("""  "distinct_id":-7  """, "-7")]
    [InlineData("""  "distinct_id":18446744073709551615  """, "18446744073709551615")]
    [InlineData("""  "distinct_id":23.4  """, "23.4")]
    [InlineData("""  "distinct_id":100.0  """, "100.0")]
    [InlineData("""  "distinct_id":1e2  """, "100.0")]
    [InlineData("""  "distinct_id":1.5e-7  """, "1.5e-7")]
    [InlineData("""  "distinct_id":0.00001  """, "0.00001")]
    [InlineData("""  "distinct_id":1e15  """, "1000000000000000.0")]
    [InlineData("""  "distinct_id":123456789012345678901234567890  """, "1.2345678901234568e29")]
    [InlineData("""  "distinct_id":-0  """, "-0.0")]
    [InlineData("""  "distinct_id":true  """, "true")]
    [InlineData("""  "distinct_id":false  """, "false")]
    [InlineData("""  "distinct_id":{ "b" : [1, "x"], "a" : 1.0, "a" : null }  """, """{"a":null,"b":[1,"x"]}""")]
    [InlineData("""  "distinct_id":["ü", {}]  """, """["ü",{}]""")]
    [InlineData("""  "distinct_id":"a\u0000b"  """, "a\uFFFDb")]
    [InlineData("""  "distinct_id":"a\ud800b"  """, "a\uFFFDb")]
    [InlineData("""  "distinct_id":"\ud83d\ude00"  """, "😀")]
    [InlineData("""  "distinct_id":"null"  """, "null")]
    public void The_id_is_what_PostHog_makes_of_it(string fields, string expected) =>
        Assert.Equal(expected, Requests.Event("{\"token\":\"t\",\"event\":\"e\"," + fields + "}").DistinctId);

    [Theory]
    [InlineData("""  "x":1  """)]
    [InlineData("""  "distinct_id":null  """)]
    [InlineData("""  "distinct_id":""  """)]
    [InlineData("""  "distinct_id":" \t"  """)]
    [InlineData("""  "distinct_id":"","properties":{"distinct_id":"low"}  """)]
    [InlineData("""  "properties":{"distinct_id":null}  """)]
    public void Without_a_usable_id_the_request_is_refused(string fields) =>
        Assert.Equal(
            new Refusal(400, "Event 0: \"distinct_id\" is missing, null or blank. Send the id of who did it."),
            Requests.Refused("{\"token\":\"t\",\"event\":\"e\"," + fields + "}"));

    [Theory]
    [InlineData("x", 200, false)]
    [InlineData("x", 201, true)]
    [InlineData("😀", 200, false)]
    [InlineData("😀", 201, true)]
    public void An_id_is_cut_to_200_scalars(string scalar, int count, bool truncated)
    {
        var id = string.Concat(Enumerable.Repeat(scalar, count));
        var captured = Requests.Event($$"""{"token":"t","event":"e","distinct_id":"{{id}}"}""");

        Assert.Equal(string.Concat(Enumerable.Repeat(scalar, 200)), captured.DistinctId);
        Assert.Equal(truncated, captured.Notes.HasFlag(CaptureNotes.DistinctIdTruncated));
    }

    [Fact]
    public void Every_event_of_a_batch_has_its_own_id_and_its_own_notes()
    {
        var longId = new string('x', 300);
        var json = $$"""
            {"token":"t","batch":[{"event":"e","distinct_id":"a"},{"event":"e","distinct_id":"{{longId}}"},
            {"event":"e","distinct_id":"{{longId}}"},{"event":"e","distinct_id":1},{"event":"e","distinct_id":"1"}]}
            """;
        var events = Requests.Events(Requests.Request(json));

        Assert.Equal(["a", longId[..200], longId[..200], "1", "1"], events.Select(captured => captured.DistinctId));
        Assert.Equal(
            [false, true, true, false, false],
            events.Select(captured => captured.Notes.HasFlag(CaptureNotes.DistinctIdTruncated)));
    }
}
