using System.Text.Json.Nodes;
using VarianceActors.Pipeline.Mapping;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Mapping;

public sealed class PluginMappingTests
{
    [Theory]
    [InlineData("""{"a.b":1}""", """{"a":{"b":1}}""")]
    [InlineData("""{"a[0].b":1}""", """{"a":[{"b":1}]}""")]
    [InlineData("""{"a[2]":1}""", """{"a":[null,null,1]}""")]
    [InlineData("""{"a['q.r']":1}""", """{"a":{"q.r":1}}""")]
    [InlineData("""{"a[\"q\\\\\\\"r\"]":1}""", """{"a":{"q\\\"r":1}}""")]
    [InlineData("""{"a..b":1}""", """{"a":{"":{"b":1}}}""")]
    [InlineData("""{".a":1}""", """{"":{"a":1}}""")]
    [InlineData("""{"a.":1}""", """{"a":{"":1}}""")]
    [InlineData("""{"":1}""", """{"":1}""")]
    [InlineData("""{"[]":1}""", """{"":{"":1}}""")]
    [InlineData("""{"a":1,"a.b":2}""", """{"a":{"b":2}}""")]
    [InlineData("""{"a":{"x":1},"a.b":2}""", """{"a":{"x":1,"b":2}}""")]
    [InlineData("""{"a.b":2,"a":{"x":1}}""", """{"a":{"x":1}}""")]
    [InlineData("""{"a":[1],"a.b":2}""", """{"a":[1]}""")]
    [InlineData("""{"a[01]":1,"b[-1]":2,"c[1.5]":3}""", """{"a":{"01":1},"b":{"-1":2},"c":{"1.5":3}}""")]
    [InlineData("""{"x":1,"0":2}""", """[2]""")]
    [InlineData("""{"0":"a","length":3}""", """["a",null,null]""")]
    [InlineData("""{"x":1,"[":2}""", "2")]
    [InlineData("""{"x":1,"x":2}""", """{"x":2}""")]
    [InlineData("""{"n":null,"$a":1,"b":{"$c":null}}""", """{"b":{"$c":null}}""")]
    [InlineData("""{"__proto__":{"a":{"b":1}},"a.c":2}""", """{"a":{"b":1,"c":2}}""")]
    [InlineData("""{"constructor.x":1,"toString":2,"k":3}""", """{"toString":2,"k":3}""")]
    [InlineData("""{"__proto__.x":1,"k":3}""", """{"k":3}""")]
    public void Names_of_properties_are_lodash_paths(string properties, string expected)
    {
        var body = MappingEvents.Body(PluginMapping.Map(MappingEvents.Captured("e", "u", properties)))!;

        Assert.Equal(expected, body["properties"]!.ToJsonString(Relaxed));
    }

    [Theory]
    [InlineData("1.0", "1")]
    [InlineData("-0", "0")]
    [InlineData("-0.0", "0")]
    [InlineData("1e400", "null")]
    [InlineData("1E21", "1e+21")]
    [InlineData("123456789012345678901", "123456789012345680000")]
    [InlineData("9007199254740993", "9007199254740992")]
    [InlineData("1e15", "1000000000000000")]
    [InlineData("0.000001", "0.000001")]
    [InlineData("0.00000123", "0.00000123")]
    [InlineData("0.000000123", "1.23e-7")]
    [InlineData("5e-324", "5e-324")]
    [InlineData("-1.7976931348623157e308", "-1.7976931348623157e+308")]
    [InlineData("123456.789e3", "123456789")]
    [InlineData("0.1e-6", "1e-7")]
    [InlineData("4.350", "4.35")]
    public void Numbers_are_printed_as_JavaScript_prints_them(string number, string expected)
    {
        string body = TextOf(PluginMapping.Map(
            MappingEvents.Captured("e", "u", $$$"""{"n":{{{number}}},"inner":[{"n":{{{number}}}}]}""")));

        Assert.Contains($$"""{"n":{{expected}},"inner":[{"n":{{expected}}}]}""", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://acme.test/a?b=c d#e", "?b=c%20d")]
    [InlineData("https://acme.test?x='\"<>", "?x=%27%22%3C%3E")]
    [InlineData("foo://acme?x='y", "?x='y")]
    [InlineData("https://acme.test/?", "")]
    [InlineData("https://acme.test/#a?b", "")]
    [InlineData("about:blank", "")]
    [InlineData("mailto:a@b.c?subject=x", "?subject=x")]
    [InlineData(" HTTPS:\\\\ACME.TEST\\?q=ü ", "?q=%C3%BC")]
    [InlineData("ht\ntp://a.test?\tx", "?x")]
    [InlineData("http://[::1]:80/?x", "?x")]
    [InlineData("http://0x7f.1?x", "?x")]
    [InlineData("file:?x", "?x")]
    [InlineData("http://u:p@h?x|y\\z", "?x|y\\z")]
    [InlineData("", null)]
    [InlineData("/relative?x=1", null)]
    [InlineData("not a url", null)]
    [InlineData("https://ex ample.com/?a=1", null)]
    [InlineData("http://", null)]
    [InlineData("http://a:65536", null)]
    [InlineData("http://a:8o", null)]
    [InlineData("http://256.1.1.1", null)]
    [InlineData("http://1.2.3.4.5", null)]
    [InlineData("http://[::1", null)]
    [InlineData("http://[1::2::3]", null)]
    [InlineData("http://a%00b", null)]
    [InlineData("http://u@", null)]
    [InlineData("foo://:80", null)]
    [InlineData("file://h:80/x", null)]
    public void Search_follows_the_URL_standard(string url, string? search)
    {
        var properties = new JsonObject { ["$current_url"] = url };
        var captured = MappingEvents.Captured("$pageview", "u", properties.ToJsonString());
        var body = MappingEvents.Body(PluginMapping.Map(captured))!;

        Assert.Equal(url, body["context"]!["page"]!["url"]!.GetValue<string>());
        Assert.Equal(search, body["context"]!["page"]!["search"]?.GetValue<string>());
        Assert.Equal(search is "" ? null : search, body["properties"]!["search"]?.GetValue<string>());
    }

    [Theory]
    [InlineData("""{"event":"e","timestamp":"t"}""", FilterReasons.NoUuid)]
    [InlineData("""{"event":"e","timestamp":"t","uuid":""}""", FilterReasons.NoUuid)]
    [InlineData("""{"event":"e","uuid":"u"}""", FilterReasons.NoTimestamp)]
    [InlineData("""{"event":"e","uuid":"u","timestamp":null}""", FilterReasons.NoTimestamp)]
    [InlineData("""{"uuid":"u","timestamp":"t"}""", FilterReasons.NoEventName)]
    [InlineData("""{"event":"$pageleave","uuid":"u","timestamp":"t"}""", FilterReasons.UnsupportedEvent)]
    public void An_event_that_becomes_nothing_says_why(string json, string reason)
    {
        var outcome = PluginMapping.Map(MappingEvents.Webhook(json));

        Assert.Empty(outcome.Messages);
        Assert.Equal(reason, outcome.Reason);
    }

    [Theory]
    [InlineData("""{"$anon_distinct_id":0,"$device_id":"d"}""", "\"d\"")]
    [InlineData("""{"$anon_distinct_id":{},"$device_id":"d"}""", "{}")]
    [InlineData("""{"$anon_distinct_id":"","$device_id":false,"distinct_id":7}""", "7")]
    [InlineData("""{"$device_id":"","distinct_id":""}""", "\"\"")]
    [InlineData("""{"$device_id":""}""", null)]
    public void The_first_truthy_alternative_is_taken_and_else_the_last(string properties, string? expected)
    {
        var body = MappingEvents.Body(PluginMapping.Map(MappingEvents.Captured("e", "u", properties)))!;

        Assert.Equal(expected, body["anonymousId"]?.ToJsonString());
    }

    [Fact]
    public void The_header_counts_for_a_captured_event_and_a_set_beside_the_properties_comes_over_the_one_inside()
    {
        var captured = MappingEvents.Captured(
            "$identify",
            "user-1",
            """{"$set":{"plan":"free","seats":1}}""",
            """
            ,"$set":{"plan":"pro"},"ip":"10.0.0.1","uuid":"x"
            """);

        var expected = JsonNode.Parse(
            """
            {
              "messageId": "0198c2a0-1111-7000-8000-00000000000a", "timestamp": "2026-03-01T12:00:00.250Z",
              "userId": "user-1", "context": {"ip": "10.0.0.1"}, "type": "identify",
              "traits": {"plan": "pro", "seats": 1}
            }
            """);
        var body = MappingEvents.Body(PluginMapping.Map(captured));
        Assert.True(JsonNode.DeepEquals(expected, body), body?.ToJsonString());
    }

    [Fact]
    public void What_a_path_writes_into_a_value_shows_wherever_the_value_is_used()
    {
        var body = MappingEvents.Body(PluginMapping.Map(
            MappingEvents.Captured("e", "u", """{"distinct_id":{"a":1},"distinct_id.b":2}""")))!;

        Assert.Equal("""{"a":1,"b":2}""", body["anonymousId"]!.ToJsonString());
        Assert.Equal("""{"distinct_id":{"a":1,"b":2}}""", body["properties"]!.ToJsonString());
    }

    [Fact]
    public void One_event_never_changes_what_another_becomes()
    {
        const string hostile = """{"__proto__.leak":{},"constructor.prototype.leak":{}}""";
        PluginMapping.Map(MappingEvents.Captured("e", "u", hostile));

        var body = MappingEvents.Body(PluginMapping.Map(MappingEvents.Captured("e", "u", """{"leak.b":1}""")))!;
        Assert.Equal("""{"leak":{"b":1}}""", body["properties"]!.ToJsonString());
    }

    [Theory]
    [InlineData("a[4000000000]")]
    [InlineData("a[9007199254740990]")]
    [InlineData("a[70000]")]
    public void A_small_event_cannot_make_a_huge_body(string name)
    {
        var names = Enumerable.Range(0, 50).Select(i => $"\"a{i}.{name}\":1");
        string properties = "{" + string.Join(',', names) + "}";

        Assert.True(TextOf(PluginMapping.Map(MappingEvents.Captured("e", "u", properties))).Length < 1_000_000);
    }

    [Fact]
    public void A_path_of_absurd_depth_is_left_out()
    {
        string name = string.Join('.', Enumerable.Repeat("a", 100_000));

        var captured = MappingEvents.Captured("e", "u", $$"""{"{{name}}":1,"b.c":2}""");
        var body = MappingEvents.Body(PluginMapping.Map(captured))!;
        Assert.Equal("""{"b":{"c":2}}""", body["properties"]!.ToJsonString());
    }

    [Fact]
    public void Hundreds_of_properties_with_repeats_keep_the_last_value_of_each()
    {
        var fields = Enumerable.Range(0, 1200).Select(i => $"\"p{i % 600}\":{i}");

        var body = MappingEvents.Body(PluginMapping.Map(
            MappingEvents.Captured("e", "u", "{" + string.Join(',', fields) + "}")))!;
        Assert.Equal(600, body["properties"]!.AsObject().Count);
        Assert.Equal(1199, body["properties"]!["p599"]!.GetValue<int>());
    }

    private static readonly System.Text.Json.JsonSerializerOptions Relaxed =
        new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static string TextOf(MappingOutcome outcome) =>
        System.Text.Encoding.UTF8.GetString(outcome.Messages.Single().Body.Span);
}
