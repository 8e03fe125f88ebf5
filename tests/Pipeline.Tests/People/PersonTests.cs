using VarianceActors.Pipeline.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class PersonTests
{
    [Fact]
    public void A_page_view_that_teaches_nothing_makes_no_fact()
    {
        var homes = new Homes();
        homes.Apply(Captured.Event("$pageview", "vis", """{"$browser":"Firefox"}"""));

        var again = homes.Apply(Captured.Event("$pageview", "vis", """{"$browser":"Chrome"}"""));

        Assert.Single(homes.Journals[Homes.Home("vis")]);
        Assert.False(again.Change.ContactChanged);
        Assert.Equal(0, again.Person!.Version);
    }

    [Fact]
    public void The_next_fact_carries_every_cursor_that_moved_without_one()
    {
        var homes = new Homes();
        homes.Apply(Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}"""));
        var (acc, dev) = (Command("acc", 10, """{"$set":{"a":1}}"""), Command("dev", 11, "{}"));

        homes.Ask(dev);
        homes.Ask(acc);
        homes.Crash();

        Assert.Equal(11, homes.Root("acc").Root.Members["dev"].Cursor);
        Assert.Equal(10, homes.Root("acc").Root.Members["acc"].Cursor);
    }

    [Fact]
    public void A_repeat_that_is_cut_differently_gets_the_same_answers()
    {
        var homes = new Homes();
        var (one, two, three) = (At(5, """{"$set":{"a":1}}"""), At(6, "{}"), At(8, """{"$set":{"$os":1}}"""));
        var first = homes.Ask(new ApplyEvents(Homes.Home("vis"), "vis", [one, two, three]));
        homes.Crash();

        var repeats = homes.Ask(new ApplyEvents(Homes.Home("vis"), "vis", [one, two]))
            .AddRange(homes.Ask(new ApplyEvents(Homes.Home("vis"), "vis", [three])));

        Assert.Equal(
            first.Select(outcome => (outcome.At.Offset, outcome.Change.ContactChanged)),
            repeats.Select(outcome => (outcome.At.Offset, outcome.Change.ContactChanged)));
        Assert.Equal([true, false, false], first.Select(outcome => outcome.Change.ContactChanged));
    }

    [Fact]
    public void Outcomes_before_a_commands_first_event_are_forgotten()
    {
        var homes = new Homes();
        for (var offset = 0; offset < 50; offset++)
        {
            homes.Ask(Command("vis", offset, $$$"""{"$set":{"n":{{{offset}}}}}"""));
        }

        Assert.Single(homes.Root("vis").Root.Members["vis"].Kept);
        Assert.Single(homes.Replayed(Homes.Home("vis")).Root.Members["vis"].Kept);
    }

    [Fact]
    public void Results_before_a_merge_in_the_middle_of_a_command_go_out_first()
    {
        var homes = new Homes();

        var outcomes = homes.ApplyAll(
            Captured.Event("seen", "acc"),
            Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}"""),
            Captured.Event("seen", "acc"));

        Assert.Single(outcomes);
        Assert.Equal(["acc"], homes.Person("acc")!.DistinctIds.AsEnumerable());
    }

    [Theory]
    [InlineData("""{"$process_person_profile":false}""")]
    [InlineData("""{"$set":{"plan":"pro"}}""")]
    public void A_repeat_leaves_behind_the_same_lane_as_the_first_answer(string properties)
    {
        var homes = new Homes();
        homes.Apply(Captured.Event("seen", "dev"));
        homes.Apply(Captured.Event("seen", "acc"));
        homes.Apply(Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}"""));
        var absorbed = homes.Root("dev").Id.DistinctId == "acc" ? "dev" : "acc";
        var next = Command(absorbed, 100, properties);

        var first = Assert.Single(homes.Ask(next)).Behind;
        var repeated = Assert.Single(homes.Ask(next)).Behind;

        Assert.Equal([Homes.Home(absorbed).Priority.Lane], first.AsEnumerable());
        Assert.Equal(first.AsEnumerable(), repeated);
        Assert.Empty(Assert.Single(homes.Ask(Command(absorbed, 101, "{}"))).Behind);
    }

    [Fact]
    public void An_update_that_is_too_large_is_rejected_with_a_warning_that_a_repeat_gets_too()
    {
        var homes = new Homes();
        homes.Ask(Command("vis", 1, """{"$set":{"a":1}}"""));
        var large = Command("vis", 2, $$$"""{"$set":{"b":"{{{new string('x', 700_000)}}}"}}""");

        var first = homes.Ask(large);
        homes.Crash();
        var repeated = homes.Ask(large);

        Assert.Equal("person_properties_size_violation", Assert.Single(first[0].Warnings).Type);
        Assert.Equal("person_properties_size_violation", Assert.Single(repeated[0].Warnings).Type);
        Assert.DoesNotContain("b", homes.Person("vis")!.Properties.Keys);
    }

    [Fact]
    public void The_event_that_a_person_is_born_by_is_remembered()
    {
        var homes = new Homes();
        var uuid = Guid.NewGuid();

        homes.Apply(Captured.Event("seen", "vis", uuid: uuid));

        Assert.Equal($"\"{uuid}\"", homes.Person("vis")!.Properties["$creator_event_uuid"].Json);
    }

    [Theory]
    [InlineData("$exception", true)]
    [InlineData("$ai_generation", false)]
    public void Events_that_never_update_a_person(string name, bool creates)
    {
        var homes = new Homes();

        homes.Apply(Captured.Event(name, "new", """{"$set":{"a":1}}"""));
        homes.Apply(Captured.Event("seen", "old", """{"$set":{"a":1}}"""));
        homes.Apply(Captured.Event(name, "old", """{"$set":{"a":2}}"""));

        Assert.Equal(creates, homes.Person("new") is not null);
        Assert.Equal("1", homes.Person("old")!.Properties["a"].Json);
    }

    [Fact]
    public void Only_names_that_contacts_show_change_the_contact()
    {
        var homes = new Homes();
        homes.Apply(Captured.Event("seen", "vis", """{"$set":{"a":1}}"""));

        var hidden = homes.Apply(Captured.Event("$set", "vis", """{"$set":{"$os":"Mac"}}"""));
        var shown = homes.Apply(Captured.Event("$set", "vis", """{"$unset":["a"]}"""));

        Assert.False(hidden.Change.ContactChanged);
        Assert.True(shown.Change.ContactChanged);
        Assert.Equal(2, shown.Person!.Version);
    }

    private static ApplyEvents Command(string distinctId, long offset, string properties) =>
        new(Homes.Home(distinctId), distinctId, [new EventAt(offset, Captured.Event("seen", distinctId, properties))]);

    private static EventAt At(long offset, string properties) =>
        new(offset, Captured.Event("seen", "vis", properties));
}
