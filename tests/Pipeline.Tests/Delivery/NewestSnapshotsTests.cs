using System.Text;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>Which of all waiting snapshots need not be sent.</summary>
public sealed class NewestSnapshotsTests
{
    private const string Small = """{"userId":"ada","traits":{"name":"Ada"}}""";
    private const string Large = """{"userId":"ada","traits":{"name":"A.","plan":"pro"}}""";
    private const string Plan = """{"userId":"ada","traits":{"plan":"free"}}""";

    [Fact]
    public void The_newest_one_is_sent_and_older_ones_that_say_no_more_are_not() =>
        Assert.Equal([0, 1, 2], Superseded(Identify(Small), Identify(Large), Identify(Small), Identify(Large)));

    [Fact]
    public void One_with_a_trait_of_its_own_is_sent() => Assert.Equal([], Superseded(Identify(Large), Identify(Small)));

    [Fact]
    public void Later_ones_may_say_it_together() =>
        Assert.Equal([0], Superseded(Identify(Large), Identify(Small), Identify(Plan)));

    [Fact]
    public void Nothing_behind_an_alias_counts() => Assert.Equal(
        [0, 3],
        Superseded(Identify(Small), Identify(Small), Entry(MessageKind.Alias, "{}"), Identify(Small), Identify(Small)));

    [Fact]
    public void An_alias_of_somebody_else_changes_nothing() => Assert.Equal(
        [0], Superseded(Identify(Small), Entry(MessageKind.Alias, "{}") with { Lane = 2 }, Identify(Small)));

    [Theory]
    [InlineData("""{"userId":"bob","traits":{"name":"A."}}""")]
    [InlineData("""{"userId":"ada","anonymousId":"d","traits":{"name":"A."}}""")]
    [InlineData("""{"userId":"ada"}""")]
    public void One_of_somebody_else_or_without_traits_says_nothing_of_it(string body) =>
        Assert.Equal([], Superseded(Identify(Small), Identify(body)));

    [Theory]
    [InlineData("""{"id":"1","name":"A"}""", """{"id":"1"}""", false)]
    [InlineData("""{"id":"1","name":"A"}""", """{"id":"1","name":null}""", true)]
    [InlineData("""{"object":1}""", """{"id":"1"}""", false)]
    [InlineData("""{}""", """{"id":"1"}""", true)]
    [InlineData("""{}""", """1""", false)]
    [InlineData("""1""", """{"id":"1"}""", true)]
    public void Values_inside_a_trait_count_too(string older, string newer, bool isSuperseded)
    {
        OutboxEntry[] entries =
        [
            Identify($$$"""{"userId":"ada","traits":{"company":{{{older}}}}}"""),
            Identify($$$"""{"userId":"ada","traits":{"company":{{{newer}}}}}"""),
        ];
        Assert.Equal(isSuperseded, Snapshots.IsSuperseded(entries[0], [entries[1]]));
        Assert.Equal(isSuperseded ? [0] : [], Superseded(entries));
    }

    [Fact]
    public void Replays_and_what_is_erased_are_left_to_others() => Assert.Equal(
        [],
        Superseded(
            Identify(Small) with { IsReplay = true },
            Identify(Small),
            Identify(Small) with { IsReplay = true },
            Identify(Small) with { IsErased = true }));

    [Fact]
    public void Of_more_contacts_than_it_may_know_the_oldest_are_sent()
    {
        var entries = Enumerable.Range(0, 5)
            .SelectMany(person => Enumerable.Repeat(Identify($$$"""{"userId":"{{{person}}}","traits":{"n":1}}"""), 2))
            .ToArray();
        Assert.Equal([4, 6, 8], Superseded(entitiesMax: 3, entries));
    }

    private static long[] Superseded(params OutboxEntry[] entries) => Superseded(entitiesMax: 1_000, entries);

    private static long[] Superseded(int entitiesMax, OutboxEntry[] entries)
    {
        var newest = new NewestSnapshots(entitiesMax);
        return
        [
            .. entries
                .Select((entry, position) => entry with { Position = position })
                .Reverse()
                .Where(newest.IsSuperseded)
                .Select(entry => entry.Position)
                .Reverse(),
        ];
    }

    private static OutboxEntry Identify(string body) => Entry(MessageKind.Identify, body);

    private static OutboxEntry Entry(MessageKind kind, string body) => new(
        0, Lane: 1, Guid.Empty, Fingerprint: 1, Closes: true, DateTimeOffset.UnixEpoch,
        new OutboundMessage(kind, "m", Encoding.UTF8.GetBytes(body)));
}
