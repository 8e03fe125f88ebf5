using System.Text;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>Which waiting snapshots a later one makes superfluous.</summary>
public sealed class SnapshotsTests
{
    private static readonly OutboxEntry Older = Identify("""{"userId":"ada","traits":{"name":"Ada","plan":"free"}}""");
    private static readonly OutboxEntry Newer = Identify("""{"userId":"ada","traits":{"name":"A.","plan":"pro","city":"x"}}""");

    [Fact]
    public void A_later_one_of_the_same_contact_with_all_its_traits() => Assert.True(IsSuperseded(Older, Newer));

    [Fact]
    public void Also_behind_actions() => Assert.True(IsSuperseded(Older, Track(), Track(), Newer));

    [Fact]
    public void Not_an_action_nor_a_page() => Assert.False(IsSuperseded(Track(), Track()));

    [Theory]
    [InlineData("""{"userId":"bob","traits":{"name":"A.","plan":"pro"}}""")]
    [InlineData("""{"userId":"ada","anonymousId":"d","traits":{"name":"A.","plan":"pro"}}""")]
    [InlineData("""{"userId":"ada","traits":{"name":"A."}}""")]
    [InlineData("""{"userId":"ada"}""")]
    public void Not_by_one_that_says_less_or_of_somebody_else(string body) =>
        Assert.False(IsSuperseded(Older, Identify(body)));

    [Fact]
    public void Not_across_an_alias() => Assert.False(IsSuperseded(Older, Entry(MessageKind.Alias, "{}"), Newer));

    [Fact]
    public void Also_across_a_mark_which_only_says_when_to_go_on() =>
        Assert.True(IsSuperseded(Older, Entry(0, "") with { Barrier = new LaneBarrier(null, (1, 7)) }, Newer));

    [Fact]
    public void Values_inside_a_trait_count_too()
    {
        var older = Identify("""{"userId":"ada","traits":{"company":{"id":"1","name":"A"}}}""");
        Assert.False(IsSuperseded(older, Identify("""{"userId":"ada","traits":{"company":{"id":"1"}}}""")));
        Assert.True(IsSuperseded(older, Identify("""{"userId":"ada","traits":{"company":{"id":"1","name":null}}}""")));
    }

    [Fact]
    public void An_account_is_known_by_its_group_id()
    {
        var older = Entry(MessageKind.Group, """{"groupId":"g","userId":"ada","traits":{"a":1}}""");
        Assert.True(IsSuperseded(older, Entry(MessageKind.Group, """{"groupId":"g","userId":"ada","traits":{"a":2}}""")));
        Assert.False(IsSuperseded(older, Entry(MessageKind.Group, """{"groupId":"h","userId":"ada","traits":{"a":2}}""")));
        Assert.False(IsSuperseded(older, Identify("""{"groupId":"g","userId":"ada","traits":{"a":2}}""")));
    }

    private static bool IsSuperseded(OutboxEntry older, params OutboxEntry[] later) => Snapshots.IsSuperseded(older, later);

    private static OutboxEntry Track() => Entry(MessageKind.Track, """{"userId":"ada","traits":{"name":1,"plan":2}}""");

    private static OutboxEntry Identify(string body) => Entry(MessageKind.Identify, body);

    private static OutboxEntry Entry(MessageKind kind, string body) => new(
        0, 1, Guid.Empty, 0, Closes: true, GateSetup.Noon, new OutboundMessage(kind, "", Encoding.UTF8.GetBytes(body)));
}
