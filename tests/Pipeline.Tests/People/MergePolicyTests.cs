using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.Accounts;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class MergePolicyTests
{
    [Fact]
    public void The_id_that_identify_asserts_is_the_user_id_and_the_other_is_given_up_once()
    {
        var homes = new Homes();

        var first = homes.Apply(Identify("acc", "dev"));
        var second = homes.Apply(Identify("acc", "dev"));

        Assert.Equal("acc", first.Person!.UserId);
        Assert.Equal(["dev"], first.Change.GivenUpIds.AsEnumerable());
        Assert.Empty(second.Change.GivenUpIds);
    }

    [Fact]
    public void Where_only_an_alias_asserts_an_id_the_alias_is_the_user_id()
    {
        var homes = new Homes();

        var alias = homes.Apply(Alias("front", "back"));

        Assert.Equal("back", alias.Person!.UserId);
        Assert.Equal(["front"], alias.Change.GivenUpIds.AsEnumerable());
    }

    [Fact]
    public void Identify_beats_alias_and_gives_the_alias_up()
    {
        var homes = new Homes();
        homes.Apply(Alias("front", "back"));

        var identify = homes.Apply(Identify("acc", "front"));

        Assert.Equal("acc", identify.Person!.UserId);
        Assert.Equal(["back"], identify.Change.GivenUpIds.AsEnumerable());
    }

    [Fact]
    public void An_id_that_was_given_up_never_becomes_the_user_id_again()
    {
        var homes = new Homes();
        homes.Apply(Alias("front", "back"));

        var identify = homes.Apply(Identify("front", "back"));
        var later = homes.Apply(Identify("late", "front"));

        Assert.Equal("back", identify.Person!.UserId);
        Assert.Equal("back", later.Person!.UserId);
        Assert.Equal(["late"], later.Change.GivenUpIds.AsEnumerable());
    }

    [Fact]
    public void When_two_users_merge_the_target_keeps_its_id_and_only_the_others_user_id_is_given_up()
    {
        var homes = new Homes();
        homes.Apply(Identify("a", "dev-a"));
        homes.Apply(Identify("b", "dev-b"));

        var merged = homes.Apply(Captured.Event("$merge_dangerously", "a", """{"alias":"b"}"""));

        Assert.Equal("a", merged.Person!.UserId);
        Assert.Equal(["b"], merged.Change.GivenUpIds.AsEnumerable());
    }

    [Fact]
    public void A_refused_merge_gives_nothing_up_and_its_target_is_a_user_all_the_same()
    {
        var homes = new Homes();
        homes.Apply(Identify("a", "dev"));
        homes.Apply(Captured.Event("seen", "b"));

        var refused = homes.Apply(Identify("b", "dev"));

        Assert.Equal("b", refused.Person!.UserId);
        Assert.Empty(refused.Change.GivenUpIds);
        Assert.Equal("cannot_merge_already_identified", Assert.Single(refused.Warnings).Type);
    }

    [Fact]
    public void A_refused_alias_does_not_make_somebody_elses_id_the_user_id()
    {
        var homes = new Homes();
        homes.Apply(Identify("a", "dev"));
        homes.Apply(Captured.Event("seen", "front"));

        Assert.Equal("front", homes.Apply(Alias("front", "a")).Person!.UserId);
    }

    [Fact]
    public void The_refusal_says_who_and_what_as_PostHog_does()
    {
        var homes = new Homes();
        homes.Apply(Identify("a", "dev"));
        homes.Apply(Captured.Event("seen", "b"));
        var identify = Identify("b", "dev");

        var warning = Assert.Single(homes.Apply(identify).Warnings);

        var (target, source) = (homes.Person("b")!.PersonUuid, homes.Person("a")!.PersonUuid);
        Assert.Equal(
            """{"sourcePersonDistinctId":"dev","targetPersonDistinctId":"b","distinctId":"b","""
            + $"\"eventUuid\":\"{identify.Uuid}\",\"personId\":\"{target}\",\"otherPersonId\":\"{source}\"}}",
            warning.Details);
    }

    [Fact]
    public void A_merge_that_gives_ids_up_says_what_the_receiver_may_hold_of_them()
    {
        var homes = new Homes();
        homes.Apply(Captured.Event("$identify", "other", """{"$anon_distinct_id":"dev-1","$set":{"plan":"pro","$os":"x"}}"""));
        homes.Apply(Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev-2","$set":{"city":"Oslo"}}"""));

        var merged = homes.Apply(Captured.Event("$merge_dangerously", "acc", """{"alias":"other"}"""));
        var same = homes.Apply(Captured.Event("$merge_dangerously", "acc", """{"alias":"other","$unset":["city"]}"""));

        Assert.Equal(["city", "plan"], merged.Change.Removed.Order());
        Assert.Equal(["city"], same.Change.Removed.AsEnumerable());
    }

    [Fact]
    public void A_merge_names_the_ids_that_it_brings_to_another_person_and_no_others()
    {
        var homes = new Homes();
        homes.Apply(Captured.Event("seen", "dev-2"));

        var created = homes.Apply(Identify("acc", "dev-1"));
        var merged = homes.Apply(Identify("acc", "dev-2"));
        var attached = homes.Apply(Identify("late", "dev-2"));
        var same = homes.Apply(Identify("acc", "dev-1"));
        var refused = homes.Apply(Identify("new", "acc"));

        Assert.Equal(["acc", "dev-1"], created.Joined!.Value.Order());
        Assert.Equal(["dev-2"], merged.Joined!.Value.AsEnumerable());
        Assert.Equal(["late"], attached.Joined!.Value.AsEnumerable());
        Assert.Empty(same.Joined!.Value);
        Assert.Equal(["new"], refused.Joined!.Value.AsEnumerable());
        Assert.Empty(homes.Apply(Captured.Event("seen", "acc")).Joined!.Value);
    }

    [Fact]
    public void A_person_that_refuses_many_others_does_not_grow_by_them()
    {
        var homes = new Homes();
        homes.Apply(Captured.Event("seen", "acc"));
        for (var other = 0; other < 400; other++)
        {
            homes.Apply(Identify($"user-{other}", $"dev-{other}"));
            var refused = homes.Apply(Identify("acc", $"dev-{other}"));
            Assert.Equal("cannot_merge_already_identified", Assert.Single(refused.Warnings).Type);
        }

        Assert.InRange(Known(), 1, 128);
        homes.Crash();
        Assert.InRange(Known(), 1, 128);

        int Known() => homes.State(Homes.Home("acc")).Root.Refused.Count;
    }

    [Fact]
    public void Guarded_an_unseen_target_does_not_join_an_identified_person()
    {
        var homes = new Homes(PersonRules.Posthog with { AttachUnseen = AttachUnseen.Guarded });
        homes.Apply(Identify("a", "dev"));

        var refused = homes.Apply(Identify("b", "dev"));

        Assert.Equal("guard_attach_to_identified", Assert.Single(refused.Warnings).Type);
        Assert.Equal(["b"], refused.Person!.DistinctIds.AsEnumerable());
        Assert.True(refused.Person.IsIdentified);
        Assert.NotEqual(homes.Person("a")!.PersonUuid, refused.Person.PersonUuid);
    }

    [Fact]
    public void Unguarded_it_joins_as_PostHogs_does()
    {
        var homes = new Homes();
        homes.Apply(Identify("a", "dev"));

        var attached = homes.Apply(Identify("b", "dev"));

        Assert.Empty(attached.Warnings);
        Assert.Equal("a", attached.Person!.UserId);
        Assert.Equal(["b"], attached.Change.GivenUpIds.AsEnumerable());
    }

    [Fact]
    public void A_person_never_has_more_ids_than_its_connection_allows()
    {
        var homes = new Homes(With(MergeGuards.None with { DistinctIdsMax = 2 }));
        homes.Apply(Identify("a", "dev-1"));

        var refused = homes.Apply(Captured.Event("$merge_dangerously", "a", """{"alias":"dev-2"}"""));

        Assert.Equal("guard_too_many_distinct_ids", Assert.Single(refused.Warnings).Type);
        Assert.Equal(2, refused.Person!.DistinctIds.Length);
        Assert.Null(homes.Person("dev-2"));
    }

    [Theory]
    [InlineData(300_000, 300_000, 0, false)]
    [InlineData(350_000, 350_000, 0, true)]
    [InlineData(300_000, 300_000, 100_000, true)]
    public void Persons_stay_apart_whose_properties_are_too_much_for_one(int first, int second, int said, bool isRefused)
    {
        var homes = new Homes();
        homes.Apply(Captured.Event("seen", "dev", Says("first", first)));
        homes.Apply(Captured.Event("seen", "acc", Says("second", second)));

        var identify = homes.Apply(Captured.Event(
            "$identify", "acc", $$$"""{"$anon_distinct_id":"dev",{{{Says("said", said)[1..]}}}"""));

        Assert.Equal(isRefused ? ["person_properties_size_violation"] : [], identify.Warnings.Select(warning => warning.Type));
        Assert.Equal(isRefused ? ["acc"] : ["acc", "dev"], identify.Person!.DistinctIds.Order());
        Assert.True(identify.Person.IsIdentified);
        Assert.Contains("said", identify.Person.Properties.Keys);

        static string Says(string name, int bytes) => $$$"""{"$set":{"{{{name}}}":"{{{new string('x', bytes)}}}"}}""";
    }

    [Theory]
    [InlineData("kim@acme.test", "lee@other.test", true)]
    [InlineData("kim@acme.test", "lee@ACME.test", false)]
    [InlineData("kim@acme.test", "lee@eu.acme.test", false)]
    [InlineData("kim@acme.test", "lee@mail.test", false)]
    [InlineData("kim@acme.test", "lee@gmail.com", false)]
    [InlineData("kim@acme.test", "lee@mailinator.com", false)]
    [InlineData("kim@acme.test", "no address", false)]
    public void Persons_of_different_companies_stay_apart(string first, string second, bool isRefused)
    {
        var homes = new Homes(CompaniesApart());
        homes.Apply(Captured.Event("seen", "dev", $$$"""{"$set":{"email":"{{{first}}}"}}"""));
        homes.Apply(Captured.Event("seen", "acc", $$$"""{"$set":{"email":"{{{second}}}"}}"""));

        var identify = homes.Apply(Identify("acc", "dev"));

        Assert.Equal(
            isRefused ? ["guard_other_work_domain"] : [],
            identify.Warnings.Select(warning => warning.Type));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_address_that_comes_with_the_merge_counts_for_its_target(bool hasTargetPerson)
    {
        var homes = new Homes(CompaniesApart());
        homes.Apply(Captured.Event("seen", "dev", """{"$set":{"email":"kim@acme.test"}}"""));
        if (hasTargetPerson)
        {
            homes.Apply(Captured.Event("seen", "acc"));
        }

        var identify = homes.Apply(Captured.Event(
            "$identify", "acc", """{"$anon_distinct_id":"dev","$set":{"email":"lee@other.test"}}"""));

        Assert.Equal("guard_other_work_domain", Assert.Single(identify.Warnings).Type);
        Assert.Equal("dev", Assert.Single(homes.Person("dev")!.DistinctIds));
    }

    [Fact]
    public void Of_two_births_the_older_counts_and_the_targets_uuid_stays()
    {
        var homes = new Homes();
        homes.Apply(Captured.Event("seen", "acc", at: Captured.Nine.AddMinutes(9)));
        homes.Apply(Captured.Event("seen", "dev", at: Captured.Nine.AddMinutes(2)));
        var uuid = homes.Person("acc")!.PersonUuid;

        var merged = homes.Apply(Identify("acc", "dev")).Person!;

        Assert.Equal((uuid, Captured.Nine.AddMinutes(2)), (merged.PersonUuid, merged.CreatedAt));
        Assert.Equal(PersonUuid.Of(Homes.Home("acc")), merged.PersonUuid);
        Assert.Equal(1, merged.Version);
    }

    [Fact]
    public void A_person_born_by_a_merge_ignores_unset_and_takes_set_over_set_once()
    {
        var homes = new Homes();
        const string properties = """
            {"$anon_distinct_id":"dev","$set":{"k":1},"$set_once":{"k":2,"o":2},"$unset":["k","o"]}
            """;

        var born = homes.Apply(Captured.Event("$identify", "acc", properties)).Person!;

        Assert.Equal(("1", "2", 0L), (born.Properties["k"].Json, born.Properties["o"].Json, born.Version));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    public void Of_two_refusals_of_one_child_the_newest_seal_counts(long sources, long targets)
    {
        var joined = MergePolicy.Join(Refusing("a", sources), Refusing("b", targets));

        Assert.Equal(2, joined.Refused["child"].Number);
    }

    private static PersonRoot Refusing(string id, long number)
    {
        var root = PersonState.Unborn(Homes.Home(id)).Root;
        var refusal = new MergeRefusal(RefusalReason.Settled, null);
        return root with { Refused = root.Refused.Add("child", new RefusedSeal(number, refusal)) };
    }

    [Fact]
    public void A_thousand_ids_make_one_person_and_a_shallow_tree()
    {
        var homes = new Homes();
        for (var at = 0; at < 1_000; at++)
        {
            homes.Apply(Identify("acc", $"dev-{at}"));
        }

        var depths = Enumerable.Range(0, 1_000).Select(at => Depth(homes, $"dev-{at}"));

        Assert.Equal(1_001, homes.Person("dev-500")!.DistinctIds.Length);
        Assert.True(depths.Max() <= 20);
    }

    private static int Depth(Homes homes, string distinctId)
    {
        var depth = 0;
        for (var state = homes.State(Homes.Home(distinctId)); state.Parent is { } parent; depth++)
        {
            state = homes.State(parent);
        }

        return depth;
    }

    private static PersonRules CompaniesApart()
    {
        var options = AccountMatchingTests.Options();
        options.NoAccountDomains = ["mail.test"];
        return With(MergeGuards.None with { KeepWorkDomainsApart = true }) with
        {
            Contacts = ContactRules.Of(options, "", StageRules.None, StageRules.None),
        };
    }

    private static PersonRules With(MergeGuards guards) => PersonRules.Posthog with { Guards = guards };

    private static CaptureEvent Identify(string distinctId, string anonymous) =>
        Captured.Event("$identify", distinctId, $$"""{"$anon_distinct_id":"{{anonymous}}"}""");

    private static CaptureEvent Alias(string distinctId, string alias) =>
        Captured.Event("$create_alias", distinctId, $$"""{"alias":"{{alias}}"}""");
}
