using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Accounts;

/// <summary>What a split makes of account, stage and large properties, beside what would be without the merge.</summary>
public sealed class SplitContactTests
{
    private static readonly string[] Stages = ["lead: always", "active: event 'login' at least 3 times within 7 days"];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_pin_does_not_bring_the_other_persons_account_along(bool isTakenAway)
    {
        var (merged, never) = (new Homes(Rules()), new Homes(Rules()));
        var merge = Captured.Event("$merge_dangerously", "ada", """{"alias":"bob"}""");
        foreach (var homes in (Homes[])[merged, never])
        {
            homes.Apply(Identify("ada"));
            homes.Apply(Named("ada", "acme"));
            homes.Apply(Identify("bob"));
            homes.Apply(Named("bob", "beta"));
            if (homes == merged)
            {
                homes.Apply(merge);
            }

            homes.Tell(root => new PinContactStage(root, "active", "eve", Captured.Nine) { DistinctId = "bob" }, "bob");
            if (isTakenAway)
            {
                homes.Tell(root => new PinContactStage(root, null, "eve", Captured.Nine) { DistinctId = "bob" }, "bob");
            }
        }

        Assert.True(merged.Split("ada", merge.Uuid));

        Assert.Equal("beta", never.Person("bob")!.Contact!.Account!.Key);
        Assert.Equal(never.Person("bob")!.Contact!.Turn, merged.Person("bob")!.Contact!.Turn);
        Assert.Equal("acme", merged.Person("ada")!.Contact!.Account!.Key);
    }

    [Fact]
    public void Events_that_came_late_are_looked_at_as_of_when_they_came()
    {
        var (merged, never) = (new Homes(Rules()), new Homes(Rules()));
        var merge = Captured.Event("$merge_dangerously", "ada", """{"alias":"bob"}""");
        foreach (var homes in (Homes[])[merged, never])
        {
            homes.Apply(Identify("ada"));
            homes.Apply(Identify("bob"));
            if (homes == merged)
            {
                homes.Apply(merge);
            }

            for (var times = 0; times < 3; times++)
            {
                homes.Apply(Captured.Event("login", "bob") with { ReceivedAt = Captured.Nine.AddDays(30) });
            }
        }

        Assert.True(merged.Split("ada", merge.Uuid));

        Assert.Equal("lead", never.Person("bob")!.Contact!.Stage!.Name);
        Assert.Equal("lead", merged.Person("bob")!.Contact!.Stage!.Name);
    }

    [Fact]
    public void The_group_of_an_event_that_says_too_much_is_known_after_a_split()
    {
        var (merged, never) = (new Homes(Rules()), new Homes(Rules()));
        var merge = Captured.Event("$merge_dangerously", "ada", """{"alias":"bob"}""");
        foreach (var homes in (Homes[])[merged, never])
        {
            homes.Apply(Identify("bob"));
            homes.Apply(Captured.Event(
                "seen", "bob", $$$"""{"$groups":{"company":"beta"},"$set":{"big":"{{{new string('x', 700_000)}}}"}}"""));
            homes.Apply(Captured.Event("seen", "bob", """{"$set":{"plan":"pro"}}"""));
            homes.Apply(Identify("ada"));
        }

        merged.Apply(merge);
        Assert.True(merged.Split("ada", merge.Uuid));

        Assert.Equal("beta", never.Person("bob")!.Contact!.Group);
        Assert.Equal("beta", merged.Person("bob")!.Contact!.Group);
    }

    [Fact]
    public void What_was_too_much_for_both_as_one_is_not_lost_for_one_alone()
    {
        var homes = new Homes();
        var merge = Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}""");
        homes.Apply(Captured.Event("seen", "dev", $$$"""{"$set":{"one":"{{{new string('x', 400_000)}}}"}}"""));
        homes.Apply(Captured.Event("seen", "acc", $$$"""{"$set":{"other":"{{{new string('x', 200_000)}}}"}}"""));
        homes.Apply(merge);
        var rejected = homes.Apply(Captured.Event("seen", "acc", $$$"""{"$set":{"plan":"{{{new string('x', 100_000)}}}"}}"""));
        Assert.Equal(["person_properties_size_violation"], rejected.Warnings.Select(warning => warning.Type));

        Assert.True(homes.Split("acc", merge.Uuid));

        Assert.True(homes.Person("acc")!.Properties.ContainsKey("plan"));
    }

    private static PersonRules Rules() => PersonRules.Posthog with
    {
        Contacts = ContactRules.Of(
            AccountMatchingTests.Options(),
            "company",
            StageRuleReader.ReadContacts(Stages, StagePolicy.ForwardOnly).Rules!,
            StageRules.None),
    };

    private static CaptureEvent Identify(string user) =>
        Captured.Event("$identify", user, $$"""{"$anon_distinct_id":"device-of-{{user}}"}""");

    private static CaptureEvent Named(string distinctId, string key) =>
        Captured.Event("order placed", distinctId, $$$"""{"$groups":{"company":"{{{key}}}"}}""");
}
