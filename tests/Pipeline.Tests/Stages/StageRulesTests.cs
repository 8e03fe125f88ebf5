using FsCheck;
using FsCheck.Fluent;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Stages;

public sealed class StageRulesTests
{
    private static readonly string[] Stages = ["lead: always", "trial: seats > 0", "customer: seats > 9"];

    [Fact]
    public void The_most_advanced_stage_that_matches_wins()
    {
        var place = Rules(StagePolicy.ForwardOnly).Move(null, View(10));

        Assert.Equal(new StagePlace("customer", Captured.Nine, "seats > 9"), place);
    }

    [Fact]
    public void Forward_only_never_goes_back()
    {
        var rules = Rules(StagePolicy.ForwardOnly);
        var customer = rules.Move(null, View(10));

        Assert.Same(customer, rules.Move(customer, View(0)));
    }

    [Fact]
    public void Free_goes_wherever_the_rules_say_and_out_of_all_stages()
    {
        var rules = Read(["trial: seats > 0"], StagePolicy.Free);
        var trial = rules.Move(null, View(1));

        Assert.Equal(new StagePlace(null, Captured.Nine, "no rule") { From = "trial", FromSince = Captured.Nine }, rules.Move(trial, View(0)));
    }

    [Fact]
    public void Another_name_is_another_rule() => Assert.NotEqual(
        Read(["lead: always"], StagePolicy.Free).Fingerprint, Read(["prospect: always"], StagePolicy.Free).Fingerprint);

    [Fact]
    public void Who_matches_no_rule_is_in_no_stage() =>
        Assert.Null(Read(["trial: seats > 0"], StagePolicy.Free).Move(null, View(0)));

    [Fact]
    public void A_pin_holds_against_every_rule()
    {
        var pinned = new StagePlace("trial", Captured.Nine, "pinned", "ada");

        Assert.Same(pinned, Rules(StagePolicy.Free).Move(pinned, View(10)));
    }

    [Fact]
    public void A_stage_that_is_no_longer_configured_can_be_left_even_forward_only()
    {
        var old = new StagePlace("retired", Captured.Nine, "always");

        Assert.Equal("lead", Rules(StagePolicy.ForwardOnly).Move(old, View(0))!.Name);
    }

    [Fact]
    public void However_the_seats_go_forward_only_ends_at_the_most_advanced_and_free_at_the_last()
    {
        Prop.ForAll<int[]>(seats =>
        {
            var (forward, free) = (Rules(StagePolicy.ForwardOnly), Rules(StagePolicy.Free));
            StagePlace? held = null;
            StagePlace? moved = null;
            foreach (var number in seats)
            {
                held = forward.Move(held, View(number));
                moved = free.Move(moved, View(number));
            }

            return seats.Length == 0
                || (held!.Name == Expected(seats.Max()) && moved!.Name == Expected(seats[^1]));
        }).QuickCheckThrowOnFailure();
    }

    private static string Expected(int seats) => seats > 9 ? "customer" : seats > 0 ? "trial" : "lead";

    private static StageRules Rules(StagePolicy policy) => Read(Stages, policy);

    private static StageRules Read(string[] stages, StagePolicy policy) =>
        StageRuleReader.ReadContacts(stages, policy).Rules!;

    private static StageView View(int seats) => StageRuleReaderTests.View($$"""{"seats":{{seats}}}""");
}
