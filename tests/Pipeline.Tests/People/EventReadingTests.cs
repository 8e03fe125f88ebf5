using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class EventReadingTests
{
    [Theory]
    [InlineData("""{"$set":{"a":1}}""", "", "a=1", "", "")]
    [InlineData("""{"$set":{"a":1,"b":1}}""", ""","$set":{"b":2}""", "a=1 b=2", "", "")]
    [InlineData("""{"$set_once":{"a":1}}""", ""","$set_once":{"a":9,"z":3}""", "", "a=9 z=3", "")]
    [InlineData("""{"$set":{"a":1},"$set_once":{"a":2,"b":2}}""", "", "a=1", "b=2", "")]
    [InlineData("""{"$unset":["a","b","a"]}""", "", "", "", "a b")]
    [InlineData("""{"$unset":{"a":{"x":[1]},"b":null}}""", "", "", "", "a b")]
    [InlineData("""{"$unset":["a",{"b":"c"},["d"],5]}""", "", "", "", "a")]
    [InlineData("""{"$set":"no object","$set_once":[1],"$unset":7}""", "", "", "", "")]
    [InlineData("""{"$set":{"a":1},"$set":{"b":2}}""", "", "b=2", "", "")]
    [InlineData("""{"\u0024set":{"a":1}}""", "", "a=1", "", "")]
    [InlineData("""{"$set":{"a":{"b" : [ 1, "x\u0000\/" ] }}}""", "", """a={"b":[1,"x\uFFFD/"]}""", "", "")]
    [InlineData("""{"utm_source":"mail"}""", "", "utm_source=\"mail\"", "$initial_utm_source=\"mail\"", "")]
    [InlineData("""{"$browser":"F","$set":{"$browser":"S"}}""", "", "$browser=\"S\"", "$initial_browser=\"F\"", "")]
    [InlineData("""{"_kx":1}""", "", "_kx=1", "$initial__kx=1", "")]
    [InlineData("""{"$os_name":"Linux"}""", "", "$os=\"Linux\"", "$initial_os=\"Linux\"", "")]
    [InlineData("""{"$os_name":"Linux","$os":"Mac"}""", "", "$os=\"Mac\"", "$initial_os=\"Mac\"", "")]
    [InlineData("""{"$os_name":"Linux","$set":{"$os_name":"X"}}""", "", "$os=\"Linux\"", "$initial_os=\"Linux\"", "")]
    [InlineData("""{"$os_name":"Linux","$os":null}""", "", "$os=\"Linux\"", "$initial_os=\"Linux\"", "")]
    [InlineData("""{"$os":"Mac","$os_version":"9","$is_server":true}""", "", "", "", "")]
    [InlineData("""{"$os":"Mac","$is_server":"true"}""", "", "$os=\"Mac\"", "$initial_os=\"Mac\"", "")]
    [InlineData("""{"$geoip_city_name":"Oslo","plan":"pro"}""", "", "", "", "")]
    public void The_update_is_what_PostHog_would_take(
        string properties,
        string topLevel,
        string set,
        string once,
        string unset)
    {
        var update = EventReading.Of(Captured.Event("seen", "vis", properties, topLevel)).Update;

        Assert.Equal(set.Replace("\\uFFFD", "\uFFFD", StringComparison.Ordinal), Text(update.Set));
        Assert.Equal(once, Text(update.SetOnce));
        Assert.Equal(unset, string.Join(' ', update.Unset));
    }

    [Fact]
    public void Of_many_names_each_keeps_its_last_value()
    {
        var twice = Enumerable.Range(0, 200).Select(at => $"\"n{at % 100}\":{at}");

        var update = EventReading.Of(Captured.Event(
            "seen",
            "vis",
            $$$"""{"$set":{{{{string.Join(',', twice)}}}},"$set_once":{"n7":0,"other":0}}""")).Update;

        Assert.Equal(Enumerable.Range(100, 100).Select(at => $"n{at - 100}={at}"), Text(update.Set).Split(' '));
        Assert.Equal("other=0", Text(update.SetOnce));
    }

    [Theory]
    [InlineData("$snapshot")]
    [InlineData("$performance_event")]
    public void Automatic_properties_are_not_lifted_from(string name) =>
        Assert.Empty(EventReading.Of(Captured.Event(name, "vis", """{"$browser":"F"}""")).Update.Set);

    [Theory]
    [InlineData("seen", "{}", true, true, false)]
    [InlineData("$set", "{}", true, true, true)]
    [InlineData("$identify", "{}", true, true, true)]
    [InlineData("$exception", "{}", true, false, false)]
    [InlineData("$$heatmap", "{}", true, false, false)]
    [InlineData("$ai_generation", """{"$set":{"a":1}}""", false, false, false)]
    [InlineData("seen", """{"$process_person_profile":false,"$set":{"a":1}}""", false, false, false)]
    [InlineData("seen", """{"$process_person_profile":true}""", true, true, false)]
    [InlineData("seen", """{"$process_person_profile":null}""", true, true, false)]
    public void An_events_name_and_flag_say_what_it_may_do(
        string name,
        string properties,
        bool mayCreate,
        bool mayUpdate,
        bool writesEveryChange)
    {
        var reading = EventReading.Of(Captured.Event(name, "vis", properties));

        Assert.Equal(
            (mayCreate, mayUpdate, writesEveryChange),
            (reading.MayCreate, reading.MayUpdate, reading.WritesEveryChange));
        Assert.True(mayCreate || reading.Update.Set.IsEmpty);
    }

    [Theory]
    [InlineData("$identify", """{"$anon_distinct_id":"dev"}""", MergeKind.Identify)]
    [InlineData("$create_alias", """{"alias":"dev"}""", MergeKind.Alias)]
    [InlineData("$merge_dangerously", """{"alias":"dev"}""", MergeKind.Dangerous)]
    public void A_merge_event_names_the_other_id(string name, string properties, MergeKind kind)
    {
        var captured = Captured.Event(name, "acc", properties);

        Assert.Equal(new MergeAsk(kind, "dev", "acc"), EventReading.Of(captured).Merge);
        Assert.True(MergeAsk.IsIn(captured));
    }

    [Theory]
    [InlineData("$identify", """{"alias":"dev"}""")]
    [InlineData("$identify", """{"$anon_distinct_id":"acc"}""")]
    [InlineData("$create_alias", """{"$anon_distinct_id":"dev"}""")]
    [InlineData("$create_alias", """{"alias":""}""")]
    [InlineData("$create_alias", """{"alias":null}""")]
    [InlineData("seen", """{"$anon_distinct_id":"dev","alias":"dev"}""")]
    public void No_merge_is_asked_for_and_nothing_is_warned_of(string name, string properties)
    {
        var reading = EventReading.Of(Captured.Event(name, "acc", properties));

        Assert.Null(reading.Merge);
        Assert.Empty(reading.Warnings);
    }

    [Theory]
    [InlineData("$groupidentify", "[1]", 400, "invalid_group_set")]
    [InlineData("$groupidentify", "\"name\"", 401, "group_key_too_long invalid_group_set")]
    [InlineData("$groupidentify", """{"name":"Acme"}""", 401, "group_key_too_long")]
    [InlineData("$groupidentify", """{"name":"Acme"}""", 400, "")]
    [InlineData("$groupidentify", "null", 1, "")]
    [InlineData("seen", "7", 401, "")]
    public void What_is_wrong_with_a_group_call_is_warned_of(string name, string set, int keyLength, string warnings)
    {
        var key = new string('k', keyLength);
        var reading = EventReading.Of(Captured.Event(
            name, "acc", $$$"""{"$group_type":"company","$group_key":"{{{key}}}","$group_set":{{{set}}}}"""));

        Assert.Equal(warnings, string.Join(' ', reading.Warnings.Select(warning => warning.Type)));
        Assert.Null(reading.Refusal);
    }

    [Fact]
    public void So_is_a_group_with_more_properties_than_an_account_holds()
    {
        var reading = EventReading.Of(Captured.Event(
            "$groupidentify",
            "acc",
            $$$"""{"$group_type":"company","$group_key":"acme","$group_set":{"note":"{{{new string('x', 700_000)}}}"}}"""));

        Assert.Equal("group_properties_size_violation", Assert.Single(reading.Warnings).Type);
    }

    [Theory]
    [InlineData("$identify", """{"$anon_distinct_id":42}""", "invalid_anon_distinct_id")]
    [InlineData("$identify", """{"$anon_distinct_id":"dev","alias":{"a":1}}""", "invalid_alias")]
    [InlineData("$create_alias", """{"alias":true}""", "invalid_alias")]
    [InlineData("$create_alias", """{"alias":1,"$anon_distinct_id":[]}""", "invalid_anon_distinct_id")]
    [InlineData("$merge_dangerously", """{"alias":["x"]}""", "invalid_alias")]
    [InlineData(
        "$identify",
        """{"$process_person_profile":false}""",
        "invalid_event_when_process_person_profile_is_false")]
    [InlineData("$$client_ingestion_warning", "{}", "client_ingestion_warning")]
    public void PostHog_drops_the_whole_event(string name, string properties, string warning)
    {
        var reading = EventReading.Of(Captured.Event(name, "acc", properties));

        Assert.Equal(warning, reading.Refusal);
        Assert.Equal(warning, Assert.Single(reading.Warnings).Type);
        Assert.False(reading.MayCreate || reading.MayUpdate);
    }

    [Fact]
    public void A_webhooks_distinct_id_that_is_too_long_drops_the_event() => Assert.Equal(
        "skipping_event_invalid_distinct_id",
        EventReading.Of(Captured.Event("seen", new string('x', 401))).Refusal);

    [Fact]
    public void What_the_door_altered_is_warned_of()
    {
        const CaptureNotes notes = CaptureNotes.DistinctIdTruncated | CaptureNotes.TimestampInvalid;

        var reading = EventReading.Of(Captured.Event("seen", "vis", notes: notes));

        Assert.Equal(
            ["distinct_id_truncated", "ignored_invalid_timestamp"],
            reading.Warnings.Select(warning => warning.Type));
    }

    [Fact]
    public void An_illegal_id_is_warned_of_once_and_the_target_is_looked_at_first()
    {
        var reading = EventReading.Of(Captured.Event("$create_alias", "guest", """{"alias":"null"}"""));

        var warning = Assert.Single(reading.Warnings);
        Assert.Equal("cannot_merge_with_illegal_distinct_id", warning.Type);
        Assert.StartsWith(
            """{"illegalDistinctId":"guest","otherDistinctId":"null",""",
            warning.Details,
            StringComparison.Ordinal);
        Assert.Null(reading.Merge);
    }

    [Fact]
    public void Ids_that_a_connection_blocks_do_not_merge_and_the_warning_is_the_guards()
    {
        var captured = Captured.Event("$identify", "acc", """{"$anon_distinct_id":"kiosk"}""");

        var reading = EventReading.Of(captured, new HashSet<string> { "kiosk" });

        Assert.Null(reading.Merge);
        Assert.Equal("guard_blocked_distinct_id", Assert.Single(reading.Warnings).Type);
    }

    private static string Text(IEnumerable<NamedValue> values) =>
        string.Join(' ', values.Select(value => $"{value.Name}={value.Value.Json}"));
}
