using System.Collections.Immutable;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Stages;

public sealed class StageRuleReaderTests
{
    [Theory]
    [InlineData("always", "{}", true)]
    [InlineData("plan = 'pro'", """{"plan":"pro"}""", true)]
    [InlineData("plan = 'pro'", """{"plan":"free"}""", false)]
    [InlineData("plan = 'pro'", "{}", false)]
    [InlineData("plan = 'it''s'", """{"plan":"it's"}""", true)]
    [InlineData("plan != 'free'", """{"plan":"pro"}""", true)]
    [InlineData("plan != 'free'", """{"plan":null}""", false)]
    [InlineData("not plan = 'free'", "{}", true)]
    [InlineData("plan in ('pro', 'team')", """{"plan":"team"}""", true)]
    [InlineData("plan in ('pro', 'team')", """{"plan":"free"}""", false)]
    [InlineData("plan not in ('pro', 'team')", """{"plan":"free"}""", true)]
    [InlineData("plan not in ('pro', 'team')", "{}", false)]
    [InlineData("plan exists", """{"plan":false}""", true)]
    [InlineData("plan exists", """{"plan":null}""", false)]
    [InlineData("seats > 5", """{"seats":5.5}""", true)]
    [InlineData("seats > 5", """{"seats":5}""", false)]
    [InlineData("seats > 5", """{"seats":"6"}""", false)]
    [InlineData("seats >= 5", """{"seats":5.0}""", true)]
    [InlineData("seats < -1e2", """{"seats":-101}""", true)]
    [InlineData("seats <= 5", """{"seats":6}""", false)]
    [InlineData("since >= '2026-01-01'", """{"since":"2026-03-01"}""", true)]
    [InlineData("paying = true", """{"paying":true}""", true)]
    [InlineData("paying = true", """{"paying":"true"}""", false)]
    [InlineData("role contains 'head'", """{"role":"overhead of sales"}""", true)]
    [InlineData("tags contains 'vip'", """{"tags":["a","vip"]}""", true)]
    [InlineData("tags contains 2", """{"tags":[1,2.0]}""", true)]
    [InlineData("tags contains 'vip'", """{"tags":{"vip":1}}""", false)]
    [InlineData("company.size > 10", """{"company":{"size":11}}""", true)]
    [InlineData("company.size > 10", """{"company.size":11}""", true)]
    [InlineData("company.size > 10", """{"company":[11]}""", false)]
    [InlineData("a exists and b exists or c exists", """{"c":1}""", true)]
    [InlineData("a exists and (b exists or c exists)", """{"c":1}""", false)]
    [InlineData("event = 'x'", """{"event":"x"}""", true)]
    [InlineData("always exists", "{}", false)]
    public void A_rule_holds_for_the_contacts_that_it_describes(string rule, string traits, bool holds)
    {
        var rules = Contacts($"stage: {rule}");

        Assert.Equal(holds, rules.Stages[0].Condition.Holds(View(traits)));
    }

    [Theory]
    [InlineData("event 'login'", 1, true)]
    [InlineData("event 'login' at least 3 times", 2, false)]
    [InlineData("event 'login' at least 3 times", 3, true)]
    [InlineData("event 'login' at least 1 time within 1 hour", 1, true)]
    [InlineData("event 'logout' at least 1 times within 7 days", 1, false)]
    public void Events_are_counted(string rule, int times, bool holds)
    {
        var rules = Contacts($"stage: {rule}");
        ImmutableArray<EventTally> tallies = [];
        for (var time = 0; time < times; time++)
        {
            tallies = EventTally.Add(
                tallies, "login", rules.Counted.GetValueOrDefault("login"), Captured.Nine);
        }

        Assert.Equal(holds, rules.Stages[0].Condition.Holds(View("{}") with { Tallies = tallies }));
    }

    [Theory]
    [InlineData("event 'login' at least 2 times within 7 days", 6, true)]
    [InlineData("event 'login' at least 2 times within 7 days", 7, false)]
    [InlineData("event 'login' at least 2 times within 366 days", 365, true)]
    [InlineData("event 'login' at least 2 times within 366 days", 366, false)]
    public void What_lies_before_the_window_does_not_count(string rule, int daysApart, bool holds)
    {
        var rules = Contacts($"stage: {rule}");
        var units = rules.Counted["login"];
        var tallies = EventTally.Add([], "login", units, Captured.Nine.AddDays(-daysApart));
        tallies = EventTally.Add(tallies, "login", units, Captured.Nine);

        Assert.Equal(holds, rules.Stages[0].Condition.Holds(View("{}") with { Tallies = tallies }));
    }

    [Theory]
    [InlineData("event 'login' at least 2 times within 168 hours", 150)]
    [InlineData("event 'login' at least 2 times within 168 hours", 167)]
    [InlineData("event 'login' at least 2 times within 366 days", 365 * 24)]
    public void An_event_of_a_clock_that_is_fast_pushes_nothing_out_of_the_window(string rule, int hoursApart)
    {
        var rules = Contacts($"stage: {rule}");
        var units = rules.Counted["login"];
        var tallies = EventTally.Add([], "login", units, Captured.Nine.AddHours(-hoursApart));
        tallies = EventTally.Add(tallies, "login", units, Captured.Nine.AddHours(24));

        Assert.True(rules.Stages[0].Condition.Holds(View("{}") with { Tallies = tallies }));
    }

    [Theory]
    [InlineData("any contact (plan = 'pro')", 3, 0, false)]
    [InlineData("any contact (plan = 'pro')", 3, 1, true)]
    [InlineData("at least 2 contacts (plan = 'pro')", 3, 1, false)]
    [InlineData("at least 2 contacts (plan = 'pro')", 3, 2, true)]
    [InlineData("all contacts (plan = 'pro')", 3, 2, false)]
    [InlineData("all contacts (plan = 'pro')", 3, 3, true)]
    [InlineData("all contacts (plan = 'pro')", 0, 0, false)]
    public void An_account_looks_at_its_contacts(string rule, int contacts, int matching, bool holds)
    {
        var rules = StageRuleReader.ReadAccounts([$"stage: {rule}"], StagePolicy.Free).Rules!;
        var view = View("{}") with { Contacts = contacts, ContactMatches = [matching] };

        Assert.Equal(holds, rules.Stages[0].Condition.Holds(view));
        Assert.Equal(1UL, rules.MatchesOf(View("""{"plan":"pro"}""")));
        Assert.Equal(0UL, rules.MatchesOf(View("""{"plan":"free"}""")));
    }

    [Theory]
    [InlineData("plan = 'pro'", "stage 1: write it as \"name: rule\"")]
    [InlineData(
        ": always", "stage 1: the name before the colon must have 1 to 64 letters, digits, spaces, - and _")]
    [InlineData(
        "a/b: always", "stage 1: the name before the colon must have 1 to 64 letters, digits, spaces, - and _")]
    [InlineData("a:", "stage 1: character 3: a term is expected here: a trait, event, always, not or (")]
    [InlineData(
        "a: plan", "stage 1: character 8: after a trait there must be one of "
        + "=, !=, >, >=, <, <=, in, not in, contains, exists")]
    [InlineData(
        "a: plan == 'x'",
        "stage 1: character 10: a value is expected here: text in single quotes, a number, true or false")]
    [InlineData(
        "a: plan = pro",
        "stage 1: character 11: a value is expected here: text in single quotes, a number, true or false")]
    [InlineData("a: plan = 'pro", "stage 1: character 11: the text that begins here is not closed; add a single quote")]
    [InlineData("a: plan = 5x", "stage 1: character 11: this is no number; put text into single quotes")]
    [InlineData("a: plan ~ 'x'", "stage 1: character 9: this sign has no meaning in a rule")]
    [InlineData("a: plan > true", "stage 1: character 11: true and false have no order; use = or !=")]
    [InlineData("a: plan in 'x'", "stage 1: character 12: after 'in' there must be values in parentheses")]
    [InlineData("a: plan in ('x' 'y')", "stage 1: character 17: after a value there must be , or )")]
    [InlineData(
        "a: plan in ()",
        "stage 1: character 13: a value is expected here: text in single quotes, a number, true or false")]
    [InlineData("a: plan not 'x'", "stage 1: character 13: after 'not' there must be 'in'")]
    [InlineData("a: company..id exists", "stage 1: character 4: this path has an empty part between dots")]
    [InlineData("a: (plan exists", "stage 1: character 16: a ) is missing here")]
    [InlineData("a: plan exists)", "stage 1: character 15: there must be 'and' or 'or' here, or the end")]
    [InlineData("a: plan exists city exists", "stage 1: character 16: there must be 'and' or 'or' here, or the end")]
    [InlineData(
        "a: plan exists and", "stage 1: character 19: a term is expected here: a trait, event, always, not or (")]
    [InlineData("a: event login", "stage 1: character 10: after 'event' there must be a name in single quotes")]
    [InlineData("a: event ''", "stage 1: character 10: the name of the event is empty")]
    [InlineData("a: event 'x' at most 3 times", "stage 1: character 17: after 'at' there must be 'least'")]
    [InlineData(
        "a: event 'x' at least 0 times",
        "stage 1: character 23: a whole number of times from 1 to 1000000 is expected here")]
    [InlineData(
        "a: event 'x' at least 1.5 times",
        "stage 1: character 23: a whole number of times from 1 to 1000000 is expected here")]
    [InlineData("a: event 'x' at least 3", "stage 1: character 24: after the number there must be 'times'")]
    [InlineData(
        "a: event 'x' at least 3 times within 0 days",
        "stage 1: character 38: a whole number of hours or days from 1 to 366 is expected here")]
    [InlineData(
        "a: event 'x' at least 3 times within 3 weeks",
        "stage 1: character 40: after the number there must be 'hours' or 'days'")]
    [InlineData(
        "a: event 'x' within 169 hours", "stage 1: character 21: the window is longer than 168 hours; give it in days")]
    [InlineData("a: any contact (plan exists)", "stage 1: character 4: 'any contact' is for stages of accounts")]
    [InlineData(
        "a: at least 2 contacts (plan exists)",
        "stage 1: character 4: 'at least N contacts' is for stages of accounts")]
    public void A_bad_rule_of_contacts_is_told_with_its_place(string stage, string fault) =>
        Assert.Equal([fault], StageRuleReader.ReadContacts([stage], StagePolicy.Free).Faults.AsEnumerable());

    [Theory]
    [InlineData(
        "a: event 'x'", "stage 1: character 4: events are counted for contacts; write it inside: any contact (event ...)")]
    [InlineData(
        "a: any contact plan exists",
        "stage 1: character 16: after 'any contact' there must be a condition in parentheses")]
    [InlineData(
        "a: all contacts (any contact (plan exists))",
        "stage 1: character 18: a condition over contacts cannot hold another one")]
    [InlineData("a: at least 2 people (x exists)", "stage 1: character 15: after the number there must be 'contacts'")]
    [InlineData(
        "a: at least 0 contacts (x exists)",
        "stage 1: character 13: a whole number of contacts from 1 to 1000000 is expected here")]
    public void A_bad_rule_of_accounts_is_told_with_its_place(string stage, string fault) =>
        Assert.Equal([fault], StageRuleReader.ReadAccounts([stage], StagePolicy.Free).Faults.AsEnumerable());

    [Fact]
    public void All_faults_are_told_at_once() => Assert.Equal(
        [
            "stage 2: there is a stage 'lead' before it; give each its own name",
            "stage 3: write it as \"name: rule\"",
        ],
        StageRuleReader.ReadContacts(["lead: always", "lead: always", "customer"], StagePolicy.Free).Faults.AsEnumerable());

    [Fact]
    public void There_is_a_limit_to_stages_and_to_nesting()
    {
        var many = Enumerable.Range(0, 33).Select(number => $"s{number}: always").ToArray();
        var deep = $"a: {new string('(', 17)}always{new string(')', 17)}";

        Assert.Equal(
            ["there are 33 stages; give at most 32"],
            StageRuleReader.ReadContacts(many, StagePolicy.Free).Faults.AsEnumerable());
        Assert.Equal(
            ["stage 1: character 20: parentheses are nested more than 16 deep"],
            StageRuleReader.ReadContacts([deep], StagePolicy.Free).Faults.AsEnumerable());
    }

    [Fact]
    public void Only_events_that_a_rule_names_are_counted_and_only_as_finely_as_rules_ask()
    {
        var rules = Contacts(
            "a: event 'x' within 7 days", "b: event 'x' at least 5 times within 24 hours", "c: event 'y'");

        Assert.Equal(TallyUnits.Day | TallyUnits.Hour, rules.Counted["x"]);
        Assert.Equal(TallyUnits.Ever, rules.Counted["y"]);
        Assert.Equal(2, rules.Counted.Count);
    }

    private static StageRules Contacts(params string[] stages)
    {
        var reading = StageRuleReader.ReadContacts(stages, StagePolicy.Free);
        Assert.Empty(reading.Faults);
        return reading.Rules!;
    }

    internal static StageView View(string traits) => new(Traits(traits), [], Captured.Nine, 0, []);

    internal static ImmutableDictionary<string, JsonValue> Traits(string json)
    {
        using var document = System.Text.Json.JsonDocument.Parse(json);
        return document.RootElement.EnumerateObject()
            .ToImmutableDictionary(one => one.Name, one => new JsonValue(one.Value.GetRawText()));
    }
}
