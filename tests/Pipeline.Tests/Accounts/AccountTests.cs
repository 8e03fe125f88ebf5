using System.Collections.Immutable;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Accounts;

public sealed class AccountTests
{
    private static readonly AccountId Acme = new("main", "acme");
    private static readonly Guid Ada = new("0198c2a0-0000-7000-8000-0000000000a1");

    [Fact]
    public void News_that_are_known_are_no_fact()
    {
        var step = Decide(Unborn, Says(Ada, 3, "ada"));

        Assert.Single(step.Facts);
        Assert.Empty(Decide(step.State, Says(Ada, 3, "ada")).Facts);
        Assert.Empty(Decide(step.State, Says(Ada, 7, "ada")).Facts);
    }

    [Fact]
    public void An_older_word_of_a_person_does_not_count()
    {
        var left = Decide(Decide(Unborn, Says(Ada, 3, "ada")).State, Says(Ada, 5, null)).State;

        var late = Decide(left, Says(Ada, 4, "ada"));

        Assert.Empty(late.Facts);
        Assert.Equal(0, late.State.Contacts);
        Assert.Equal((Captured.Nine, Captured.Nine), (left.Members[Ada].JoinedAt, left.Members[Ada].LeftAt));
    }

    [Fact]
    public void Who_left_before_it_was_heard_of_does_not_join_late()
    {
        var left = Decide(Unborn, Says(Ada, 5, null)).State;

        Assert.Equal(0, Decide(left, Says(Ada, 4, "ada")).State.Contacts);
    }

    [Fact]
    public void However_words_are_lost_repeated_and_reordered_the_newest_counts_once_it_is_there()
    {
        Prop.ForAll<int[]>(order =>
        {
            var state = Unborn;
            foreach (var number in order.Select(one => Math.Abs(one % 6)).Append(5).Concat(order.Select(_ => 2)))
            {
                state = Decide(state, Says(Ada, number, number % 2 == 1 ? $"ada-{number}" : null)).State;
            }

            return state.Contacts == 1 && state.Members[Ada].Contact!.UserId == "ada-5";
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void An_event_sets_properties_once_and_later_ones_win()
    {
        var (first, second) = (Guid.NewGuid(), Guid.NewGuid());
        var state = Decide(Unborn, Sets(first, "seats", "3")).State;
        state = Decide(state, Sets(second, "seats", "4")).State;

        Assert.Empty(Decide(state, Sets(first, "seats", "3")).Facts);
        Assert.Equal("4", state.Traits["seats"].Json);
        Assert.Equal(2, state.Version);
    }

    [Fact]
    public void A_repeat_of_an_event_that_changed_nothing_does_not_undo_a_later_one()
    {
        var vain = Guid.NewGuid();
        var facts = ImmutableArray.CreateBuilder<AccountFact>();
        var state = Unborn;
        foreach (var (by, seats) in new[] { (Guid.NewGuid(), "3"), (vain, "3"), (Guid.NewGuid(), "4") })
        {
            var step = Decide(state, Sets(by, "seats", seats));
            facts.AddRange(step.Facts);
            state = step.State;
        }

        var recovered = facts.Aggregate(Unborn, (before, fact) => Account.Evolve(before, fact));

        Assert.Empty(Decide(recovered, Sets(vain, "seats", "3")).Facts);
        Assert.Equal("4", recovered.Traits["seats"].Json);
    }

    [Fact]
    public void An_account_does_not_go_back_on_words_of_older_rules()
    {
        var (before, after) = (Stages("any contact (a = 1)"), Stages("any contact (a = 2)"));
        var state = Account.Decide(Unborn, Says(Ada, 1, "ada", matches: 1, of: before.Fingerprint), before).State;
        Assert.Equal("won", state.Stage?.Name);

        state = Account.Decide(state, Sets(Guid.NewGuid(), "seats", "3"), after).State;
        Assert.Equal("won", state.Stage?.Name);

        state = Account.Decide(state, Says(Ada, 2, "ada", matches: 0, of: after.Fingerprint), after).State;
        Assert.Equal("lead", state.Stage?.Name);
    }

    [Fact]
    public void Nor_does_it_go_on_by_them()
    {
        var (before, after) = (Stages("not any contact (a = 1)"), Stages("not any contact (a = 1.0)"));
        var state = Account.Decide(Unborn, Says(Ada, 1, "ada", matches: 1, of: before.Fingerprint), before).State;

        state = Account.Decide(state, Sets(Guid.NewGuid(), "seats", "3"), after).State;
        Assert.Equal("lead", state.Stage?.Name);

        state = Account.Decide(state, Says(Ada, 2, "ada", matches: 0, of: after.Fingerprint), after).State;
        Assert.Equal("won", state.Stage?.Name);
    }

    [Theory]
    [InlineData("any contact (a = 1) and not any contact (b = 1)", 1, "won")] // who has not said it may match the second one alone
    [InlineData("any contact (a = 1) or not any contact (b = 1)", 2, "lead")]
    public void Nor_where_it_depends_on_those_who_have_not_said_it(string rule, ulong matches, string stage)
    {
        var (before, after) = (Stages(rule), Stages(rule + " and not a = 7"));
        var state = Account.Decide(Unborn, Says(Ada, 1, "ada", matches: matches, of: before.Fingerprint), before).State;
        state = Account.Decide(state, Says(Guid.NewGuid(), 1, "b", matches: 0, of: before.Fingerprint), before).State;
        Assert.Equal(stage, state.Stage?.Name);

        state = Account.Decide(state, Sets(Guid.NewGuid(), "seats", "3"), after).State;
        Assert.Equal(stage, state.Stage?.Name);
    }

    [Fact]
    public void A_pin_in_place_is_remembered_with_who_set_it_and_Variance_hears_nothing_of_it()
    {
        var stages = Stages("seats > 5");
        var state = Account.Decide(Unborn, Sets(Guid.NewGuid(), "seats", "9"), stages).State;
        var pinned = Account.Decide(state, new PinAccountStage(Acme, "won", "eve", Captured.Nine.AddDays(9)), stages).State;
        var freed = Account.Decide(pinned, new PinAccountStage(Acme, null, "bob", Captured.Nine.AddDays(10)), stages).State;

        Assert.Equal((state.Stage!.Since, state.Stage.Since), (pinned.Stage!.Since, freed.Stage!.Since));
        Assert.Equal([null, "eve", "bob"], freed.Moves.Select(move => move.By));
        Assert.Equal(["won", "won", "won"], freed.Moves.Select(move => move.Move.To));
        Assert.Empty(AccountMapping.Map(freed, state.Version, new MappingOptions()));
    }

    [Fact]
    public void A_pin_in_place_of_an_older_journal_moves_no_version()
    {
        var state = Account.Decide(Unborn, Sets(Guid.NewGuid(), "seats", "9"), Stages("seats > 5")).State;
        var place = new StagePlace("won", Captured.Nine.AddDays(9), "pinned", "eve");

        var pinned = Account.Evolve(state, new AccountFact.StageMoved(place));

        Assert.Equal((state.Version, state.Moves), (pinned.Version, pinned.Moves));
        Assert.Equal(place, pinned.Stage);
    }

    [Fact]
    public void What_is_set_to_what_it_is_changes_nothing()
    {
        var state = Decide(Unborn, Sets(Guid.NewGuid(), "seats", "3")).State;

        Assert.Empty(Decide(state, Sets(Guid.NewGuid(), "seats", "3")).Facts);
    }

    [Fact]
    public void Properties_beyond_the_limit_are_not_taken()
    {
        var large = $"\"{new string('x', 700_000)}\"";

        Assert.Empty(Decide(Unborn, Sets(Guid.NewGuid(), "note", large)).State.Traits);
    }

    [Fact]
    public void The_domains_of_most_contacts_come_first_and_go_with_the_last_one()
    {
        var state = Unborn;
        state = Decide(state, Says(Guid.NewGuid(), 1, "a", "b.example")).State;
        state = Decide(state, Says(Ada, 1, "ada", "a.example")).State;
        state = Decide(state, Says(Guid.NewGuid(), 1, "c", "b.example")).State;
        Assert.Equal(["b.example", "a.example"], state.ShownDomains.AsEnumerable());

        Assert.Equal(["b.example"], Decide(state, Says(Ada, 2, null)).State.ShownDomains.AsEnumerable());
    }

    [Fact]
    public void A_given_name_hides_the_others_and_uncovers_them_again()
    {
        var state = Decide(Unborn, Sets(Guid.NewGuid(), "name", "\"Group\"")).State;
        var given = Decide(state, new RenameAccount(Acme, "Given", "ada", Captured.Nine)).State;

        Assert.Equal(("Group", "Given"), (state.Name, given.Name));
        Assert.Equal("Group", Decide(given, new RenameAccount(Acme, null, "ada", Captured.Nine)).State.Name);
        Assert.Empty(Decide(given, new RenameAccount(Acme, "Given", "ada", Captured.Nine)).Facts);
    }

    [Fact]
    public void What_an_account_shows_no_more_is_taken_away_at_Variance()
    {
        var state = Decide(Unborn, Sets(Guid.NewGuid(), "seats", "3")).State;
        state = Decide(state, new RenameAccount(Acme, "Given", "ada", Captured.Nine)).State;
        state = Decide(state, Part(1, StageRules.None)).State;
        Assert.DoesNotContain("null", Told(state), StringComparison.Ordinal);

        var apart = Decide(state, new TakePart(Acme, "beta", 2, null, Captured.Nine)).State;
        var nameless = Decide(apart, new RenameAccount(Acme, null, "ada", Captured.Nine)).State;

        Assert.Equal("""{"seats":3,"name":"Given","posthog_group_type":"company","domains":null,"industry":null}""", Told(apart));
        Assert.Equal(
            """{"seats":3,"posthog_group_type":"company","domains":null,"industry":null,"name":null}""", Told(nameless));
        Assert.Equal(
            """{"industry":"tools","seats":3,"posthog_group_type":"company","domains":null,"name":null}""",
            Told(Decide(nameless, Sets(Guid.NewGuid(), "industry", "\"tools\"")).State));
    }

    [Fact]
    public void A_stage_that_an_account_came_to_with_a_part_ends_with_it_though_nobody_ever_goes_back()
    {
        var stages = Forward("engaged: seats > 5", "customer: any contact (plan exists)");
        var state = Account.Decide(Unborn, Sets(Guid.NewGuid(), "seats", "9"), stages).State;
        state = Account.Decide(state, Sets(Guid.NewGuid(), "seats", "1"), stages).State;
        state = Account.Decide(state, Part(1, stages, matching: 1), stages).State;
        Assert.Equal("customer", state.Stage?.Name);

        var apart = Account.Decide(state, new TakePart(Acme, "beta", 2, null, Captured.Nine), stages).State;

        Assert.Equal("engaged", apart.Stage?.Name);
        Assert.Equal(["engaged", "customer", "engaged"], apart.Moves.Select(move => move.Move.To));
    }

    [Fact]
    public void It_goes_on_as_long_as_another_part_holds_it_up()
    {
        var stages = Forward("customer: any contact (plan exists)");
        var state = Account.Decide(Unborn, Sets(Guid.NewGuid(), "seats", "9"), stages).State;
        state = Account.Decide(state, Part(1, stages, matching: 1), stages).State;
        state = Account.Decide(state, Part(1, stages, matching: 1, from: "gamma"), stages).State;

        state = Account.Decide(state, new TakePart(Acme, "beta", 2, null, Captured.Nine), stages).State;
        Assert.Equal("customer", state.Stage?.Name);

        state = Account.Decide(state, new TakePart(Acme, "gamma", 2, null, Captured.Nine), stages).State;
        Assert.Equal("lead", state.Stage?.Name);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_stage_that_is_pinned_or_was_there_before_stays(bool isPinned)
    {
        var stages = Forward("customer: any contact (plan exists)");
        var state = Account.Decide(Unborn, Sets(Guid.NewGuid(), "seats", "9"), stages).State;
        state = isPinned ? state : Account.Decide(state, Says(Ada, 1, "ada", matches: 1, of: stages.Fingerprint), stages).State;
        state = isPinned ? state : Account.Decide(state, Says(Ada, 2, null), stages).State;
        state = Account.Decide(state, Part(1, stages, matching: 1), stages).State;
        state = isPinned
            ? Account.Decide(state, new PinAccountStage(Acme, "customer", "eve", Captured.Nine), stages).State
            : state;

        state = Account.Decide(state, new TakePart(Acme, "beta", 2, null, Captured.Nine), stages).State;

        Assert.Equal("customer", state.Stage?.Name);
    }

    [Fact]
    public void What_ends_with_a_part_while_contacts_have_not_been_looked_at_ends_once_they_have_and_only_then()
    {
        var (before, now) = (Forward("customer: any contact (plan exists)"), Forward("customer: any contact (plan exists)", "won: seats > 99"));
        var state = Account.Decide(Unborn, Says(Ada, 1, "ada", of: before.Fingerprint), before).State;
        state = Account.Decide(state, Part(1, before, matching: 1), before).State;

        var apart = Account.Decide(state, new TakePart(Acme, "beta", 2, null, Captured.Nine), now);
        Assert.Equal("customer", apart.State.Stage?.Name);

        var recovered = apart.Facts.Aggregate(state, Account.Evolve);
        state = Account.Decide(recovered, Says(Ada, 2, "ada", of: now.Fingerprint), now).State;
        Assert.Equal("lead", state.Stage?.Name);

        state = Account.Decide(state, Says(Ada, 3, "ada", matches: 1, of: now.Fingerprint), now).State;
        state = Account.Decide(state, Says(Ada, 4, "ada", of: now.Fingerprint), now).State;
        Assert.Equal("customer", state.Stage?.Name);
    }

    [Fact]
    public void An_operator_makes_no_account() =>
        Assert.Empty(Decide(Unborn, new RenameAccount(Acme, "Given", "ada", Captured.Nine)).Facts);

    [Fact]
    public void Stages_look_at_contacts_and_only_at_what_they_say_of_todays_rules()
    {
        var stages = StageRuleReader.ReadAccounts(
            ["prospect: always", "engaged: at least 2 contacts (plan exists)"], StagePolicy.Free).Rules!;
        var state = Unborn;
        state = Account.Decide(state, Says(Ada, 1, "ada", matches: 1, of: stages.Fingerprint), stages).State;
        var late = Guid.NewGuid();
        state = Account.Decide(state, Says(late, 1, "b", matches: 1, of: 4711), stages).State;
        Assert.Equal("prospect", state.Stage?.Name);

        state = Account.Decide(state, Says(Guid.NewGuid(), 1, "c", matches: 1, of: stages.Fingerprint), stages).State;
        Assert.Equal("engaged", state.Stage?.Name);

        state = Account.Decide(state, Says(Ada, 2, null), stages).State;
        Assert.Equal("engaged", state.Stage?.Name);

        state = Account.Decide(state, Says(late, 2, "b", matches: 0, of: stages.Fingerprint), stages).State;
        Assert.Equal("prospect", state.Stage?.Name);
        Assert.Equal(["prospect", "engaged", "prospect"], state.Moves.Select(move => move.Move.To));
    }

    [Fact]
    public void The_journal_tells_the_same_account()
    {
        Prop.ForAll<int[]>(numbers =>
        {
            AccountState? live = Unborn;
            AccountState? replayed = null;
            foreach (var number in numbers)
            {
                var person = new Guid(Math.Abs(number % 3), 0, 0, new byte[8]);
                IAccountMessage message = (number & 3) switch
                {
                    0 => Sets(Guid.NewGuid(), "seats", $"{number}"),
                    1 => new RenameAccount(Acme, number % 5 == 0 ? null : $"{number}", "ada", Captured.Nine),
                    _ => Says(person, number, number % 7 == 0 ? null : "x", $"{number % 4}.example"),
                };
                var step = Decide(live, message);
                replayed = step.Facts.Aggregate(replayed, Account.Evolve);
                live = step.State;
            }

            return replayed is null || (replayed.Contacts == live.Contacts
                && replayed.Version == live.Version
                && replayed.Name == live.Name
                && replayed.ShownDomains.SequenceEqual(live.ShownDomains)
                && Account.Recount(replayed).Contacts == live.Contacts);
        }).QuickCheckThrowOnFailure();
    }

    private static TakePart Part(long number, StageRules stages, int matching = 0, string from = "beta")
    {
        var traits = ImmutableDictionary<string, JsonValue>.Empty.Add("industry", new JsonValue("\"trade\""));
        ImmutableArray<int> matches = stages.OverContacts.IsEmpty ? [] : [matching];
        return new TakePart(
            Acme,
            from,
            number,
            new AccountPart(traits, "Beta", Unborn.Domains.Add("beta.example", 1), 1, matches, stages.Fingerprint),
            Captured.Nine);
    }

    private static string Told(AccountState state)
    {
        using var group = JsonDocument.Parse(AccountMapping.Map(state, 0, new MappingOptions())[0].Body);
        return group.RootElement.GetProperty("traits").GetRawText();
    }

    private static StageRules Forward(params string[] stages) =>
        StageRuleReader.ReadAccounts(["lead: always", .. stages], StagePolicy.ForwardOnly).Rules!;

    private static StageRules Stages(string won) =>
        StageRuleReader.ReadAccounts(["lead: always", $"won: {won}"], StagePolicy.Free).Rules!;

    private static AccountState Unborn => AccountState.Unborn(Acme);

    private static AccountStep Decide(AccountState state, IAccountMessage message) =>
        Account.Decide(state, message, StageRules.None);

    private static ObserveAccount Says(
        Guid person,
        long version,
        string? user,
        string? domain = null,
        ulong matches = 0,
        ulong of = 0)
    {
        var contact = user is null
            ? null
            : new AccountContact(user, user, AccountRule.GroupCall, "acme", domain, null, null, matches, of);
        return new ObserveAccount(Acme, "", [new MemberSays(person, version, contact, Captured.Nine)], []);
    }

    private static ObserveAccount Sets(Guid by, string name, string json) => new(
        Acme,
        "",
        [],
        [new GroupSays(by, "company", Captured.Nine, ImmutableArray.Create(new NamedValue(name, new JsonValue(json))))]);
}
