using System.Collections.Immutable;
using VarianceActors.Pipeline.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class PersonPropertiesTests
{
    [Theory]
    [InlineData("a=1", """{"$set":{"a":2}}""", "a=2")]
    [InlineData("a=null", """{"$set_once":{"a":2}}""", "a=null")]
    [InlineData("a=1", """{"$set_once":{"a":2,"b":2}}""", "a=1 b=2")]
    [InlineData("a=1", """{"$set":{"a":2},"$unset":["a"]}""", "")]
    [InlineData("b=1", """{"$set":{"a":2},"$unset":["a"]}""", "a=2 b=1")]
    [InlineData("a=1", """{"$set":{"a":1.0}}""", "a=1")]
    [InlineData("a=1", """{"$set":{"a":"1"}}""", "a=\"1\"")]
    [InlineData("$os=1", """{"$set":{"$os":2}}""", "$os=1")]
    [InlineData("$os=1", """{"$set":{"$os":2,"new":1}}""", "$os=2 new=1")]
    [InlineData("$os=1 gone=1", """{"$set":{"$os":2},"$unset":["gone"]}""", "$os=2")]
    [InlineData("$os=1", """{"$set":{"$os":2},"$unset":["unknown"]}""", "$os=1")]
    [InlineData("$os=1", """{"$set":{"$os":2},"$set_once":{"first":1}}""", "$os=2 first=1")]
    [InlineData("$os=1 list=[1]", """{"$set":{"$os":2,"list":[1]}}""", "$os=2 list=[1]")]
    [InlineData("$geoip_latitude=1", """{"$set":{"$geoip_latitude":2}}""", "$geoip_latitude=1")]
    [InlineData("$geoip_city_name=1", """{"$set":{"$geoip_city_name":2}}""", "$geoip_city_name=2")]
    [InlineData("$app_version=1", """{"$set":{"$app_version":2}}""", "$app_version=2")]
    public void An_ordinary_event_leaves(string before, string properties, string after) =>
        Assert.Equal(after, Apply(before, properties, everyChange: false));

    [Fact]
    public void A_person_event_writes_filtered_properties_too() =>
        Assert.Equal("$os=2", Apply("$os=1", """{"$set":{"$os":2}}""", everyChange: true));

    [Fact]
    public void Of_a_name_that_is_set_and_unset_only_the_removal_won()
    {
        var update = EventReading.Of(Captured.Event("seen", "vis", """{"$set":{"a":2},"$unset":["a"]}""")).Update;

        Assert.Equal([1], PersonProperties.Winners(Parse("a=1"), update, everyChange: false).AsEnumerable());
    }

    [Theory]
    [InlineData("a=1")]
    [InlineData("list=[1]")]
    [InlineData("a=null b={}")]
    public void Setting_what_is_there_changes_nothing(string held)
    {
        var properties = Parse(held);
        var update = new PropertyUpdate([.. properties.Select(p => new NamedValue(p.Key, p.Value))], [], ["unknown"]);

        Assert.Empty(PersonProperties.Winners(properties, update, everyChange: true));
    }

    [Theory]
    [InlineData("""{"$set":{"k":"new"},"$unset":["k"]}""", "k=\"new\"")]
    [InlineData("""{"$unset":["k"]}""", "")]
    [InlineData("""{"$set_once":{"k":"new"},"$unset":["k"]}""", "k=\"new\"")]
    [InlineData("""{"$set_once":{"k":"new","f":1}}""", "f=1 k=\"old\"")]
    public void After_a_merge_the_update_passes_twice(string properties, string after)
    {
        var held = Parse("k=\"old\"");
        var update = EventReading.Of(Captured.Event("$identify", "acc", properties)).Update;

        var winners = PersonProperties.WinnersAfterMerge(held, update);

        Assert.Equal(after, Text(PersonProperties.Apply(held, update, winners)));
    }

    [Fact]
    public void Properties_that_outgrow_the_store_are_too_large_unless_they_shrink()
    {
        var held = Parse($"big=\"{new string('x', 700_000)}\"");
        var growing = new PropertyUpdate([new NamedValue("more", new JsonValue("1"))], [], []);
        var smaller = new JsonValue($"\"{new string('x', 690_000)}\"");
        var shrinking = new PropertyUpdate([new NamedValue("big", smaller)], [], []);

        Assert.True(PersonProperties.IsTooLarge(held, growing, [0]));
        Assert.False(PersonProperties.IsTooLarge(held, shrinking, [0]));
        Assert.False(PersonProperties.IsTooLarge(Parse("a=1"), growing, [0]));
    }

    private static string Apply(string before, string properties, bool everyChange)
    {
        var held = Parse(before);
        var update = EventReading.Of(Captured.Event("seen", "vis", properties)).Update;
        return Text(PersonProperties.Apply(held, update, PersonProperties.Winners(held, update, everyChange)));
    }

    private static ImmutableDictionary<string, JsonValue> Parse(string held) => held
        .Split(' ')
        .Select(pair => pair.Split('='))
        .ToImmutableDictionary(pair => pair[0], pair => new JsonValue(pair[1]));

    private static string Text(ImmutableDictionary<string, JsonValue> properties) => string.Join(
        ' ',
        properties.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value.Json}"));
}
