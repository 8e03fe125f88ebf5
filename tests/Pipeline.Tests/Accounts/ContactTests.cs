using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.People;
using VarianceActors.Pipeline.Views;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Accounts;

/// <summary>Persons with the rules of a connection: what they are to a sales team, and what accounts are
/// told.</summary>
public sealed class ContactTests
{
    private static readonly string[] Stages = ["lead: always", "active: event 'login' at least 3 times within 7 days"];

    [Fact]
    public void An_event_that_changes_nothing_costs_no_fact_and_no_message()
    {
        var homes = new Homes(Rules());
        homes.Apply(Identify("ada"));
        homes.Apply(Named("ada", "acme"));
        var facts = homes.History.Count;

        var repeated = homes.Apply(Named("ada", "acme"));
        var plain = homes.Apply(Captured.Event("seen", "ada"));

        Assert.False(repeated.TellsAccount);
        Assert.Empty(News(repeated, plain));
        Assert.Equal(facts, homes.History.Count);
    }

    [Fact]
    public void One_id_that_names_its_group_with_every_event_writes_one_fact()
    {
        var homes = new Homes(Rules());
        homes.Apply(Named("visitor", "acme"));
        var facts = homes.History.Count;

        homes.Apply(Named("visitor", "acme"));

        Assert.Equal(facts, homes.History.Count);
        Assert.Equal("acme", homes.Person("visitor")!.Contact!.Account!.Key);
    }

    [Fact]
    public void A_contact_that_moves_tells_both_accounts()
    {
        var homes = new Homes(Rules());
        homes.Apply(Identify("ada"));
        homes.Apply(Named("ada", "acme"));

        var news = News(homes.Apply(Named("ada", "beta")));

        Assert.Equal(["acme", "beta"], news.Select(one => one.To.Key));
        Assert.Null(news[0].Members[0].Contact);
        Assert.Equal("ada", news[1].Members[0].Contact!.UserId);
        Assert.True(homes.Person("ada")!.Contact!.Account is { Key: "beta", Rule: AccountRule.GroupCall });
    }

    [Theory]
    [InlineData("ada", false)]
    [InlineData("ada", true)]
    [InlineData("visitor", true)]
    public void An_event_that_is_repeated_stays_with_the_account_that_it_happened_in(string distinctId, bool crashes)
    {
        var homes = new Homes(Rules());
        homes.Apply(Identify("ada"));
        homes.Apply(Named(distinctId, "acme"));
        var command = new ApplyEvents(
            Homes.Home(distinctId),
            distinctId,
            [new EventAt(100, Captured.Event("seen", distinctId)), new EventAt(101, Named(distinctId, "beta"))]);
        Assert.Equal(["acme", "beta"], Accounts(homes.Ask(command)));
        if (crashes)
        {
            homes.Crash();
        }

        Assert.Equal(["acme", "beta"], Accounts(homes.Ask(command)));

        IEnumerable<string?> Accounts(ImmutableArray<EventOutcome> outcomes) => outcomes.Select(outcome =>
            PersonNews.Of(outcome, homes.Person(distinctId), Rules().Contacts)!.Account);
    }

    [Fact]
    public void A_visitor_is_told_to_no_account_until_it_is_a_contact()
    {
        var homes = new Homes(Rules());
        var visited = News(homes.Apply(Named("device", "acme")));
        var identified = News(homes.Apply(Identify("ada", "device")));

        Assert.Empty(visited);
        Assert.Equal("ada", Assert.Single(identified).Members[0].Contact!.UserId);
    }

    [Fact]
    public void Only_events_that_a_rule_names_are_counted_and_a_repeat_counts_once()
    {
        var homes = new Homes(Rules());
        homes.Apply(Identify("ada"));
        homes.Apply(Captured.Event("login", "ada"));
        homes.Apply(Captured.Event("logout", "ada"));
        homes.Apply(Captured.Event("login", "ada"));
        Assert.Equal("lead", homes.Person("ada")!.Contact!.Stage!.Name);

        var moved = homes.Apply(Captured.Event("login", "ada"));

        Assert.Equal(new StageMove("lead", "active", "event 'login' at least 3 times within 7 days"), moved.Change.Stage);
        Assert.True(moved.Change.ContactChanged);
        var tally = Assert.Single(homes.Person("ada")!.Contact!.Tallies);
        Assert.Equal(("login", 3), (tally.Event, tally.Buckets.Sum(bucket => bucket.Count)));
    }

    [Fact]
    public void A_merge_that_came_late_is_looked_at_as_of_when_it_came()
    {
        var homes = new Homes(Rules());
        homes.Apply(Identify("ada"));
        foreach (var day in (int[])[0, 9, 19])
        {
            homes.Apply(Captured.Event("login", "ada", at: Captured.Nine.AddDays(day)));
        }

        homes.Apply(Identify("ada", "phone") with
        {
            Timestamp = Captured.Nine.AddDays(-1),
            ReceivedAt = Captured.Nine.AddDays(19),
        });

        Assert.Equal("lead", homes.Person("ada")!.Contact!.Stage!.Name);
    }

    [Fact]
    public void An_account_and_a_stage_that_a_contact_loses_are_to_be_taken_away()
    {
        var homes = new Homes(Rules("vip: plan = 'pro'"));
        homes.Apply(Identify("ada", set: """{"email":"ada@acme.com","plan":"pro"}"""));

        var left = homes.Apply(Captured.Event("$set", "ada", """{"$set":{"email":"ada@gmail.com"}}"""));
        var fallen = homes.Apply(Captured.Event("$set", "ada", """{"$set":{"plan":"free"}}"""));

        Assert.True(left.Change.ContactChanged && fallen.Change.ContactChanged);
        Assert.Equal(["company"], left.Change.Removed.AsEnumerable());
        Assert.Equal(["stage"], fallen.Change.Removed.AsEnumerable());
    }

    [Fact]
    public void Those_of_a_contact_that_becomes_part_of_another_one_too()
    {
        var homes = new Homes(Rules("vip: plan = 'pro'"));
        homes.Apply(Identify("ada", set: """{"email":"ada@gmail.com","plan":"free"}"""));
        homes.Apply(Identify("bob", set: """{"email":"bob@acme.com","plan":"pro"}"""));

        var merged = homes.Apply(Captured.Event("$merge_dangerously", "ada", """{"alias":"bob"}"""));

        Assert.Null(merged.Person!.Contact!.Account);
        Assert.Contains("company", merged.Change.Removed);
        Assert.Contains("stage", merged.Change.Removed);
    }

    [Fact]
    public void A_counted_event_is_news_if_its_window_ends_before_all_others()
    {
        var stages = StageRuleReader.ReadContacts(
            [
                "gone: event 'report' and not event 'report' within 60 days",
                "dormant: event 'login' and not event 'login' within 14 days",
            ],
            StagePolicy.ForwardOnly).Rules!;
        var homes = new Homes(PersonRules.Posthog with
        {
            Contacts = ContactRules.Of(AccountMatchingTests.Options(), "company", stages, StageRules.None),
        });
        homes.Apply(Identify("ada"));

        Assert.True(homes.Apply(Captured.Event("report", "ada")).IsNews);
        Assert.True(homes.Apply(Captured.Event("login", "ada")).IsNews);
        Assert.False(homes.Apply(Captured.Event("login", "ada", at: Captured.Nine.AddDays(1))).IsNews);
    }

    [Fact]
    public void Visits_before_the_identify_count()
    {
        var homes = new Homes(Rules());
        homes.Apply(Captured.Event("login", "device"));
        homes.Apply(Captured.Event("login", "device"));
        homes.Apply(Captured.Event("login", "device"));
        Assert.Null(homes.Person("device")!.Contact!.Stage);

        var identified = homes.Apply(Identify("ada", "device"));

        Assert.Equal("active", homes.Person("ada")!.Contact!.Stage!.Name);
        Assert.Equal("active", identified.Change.Stage!.To);
    }

    [Fact]
    public void When_two_contacts_become_one_counts_add_up_nobody_falls_back_and_the_one_that_ends_leaves()
    {
        var homes = new Homes(Rules());
        homes.Apply(Identify("ada"));
        homes.Apply(Named("ada", "acme"));
        homes.Apply(Captured.Event("login", "ada"));
        var before = homes.Person("ada")!;
        homes.Apply(Identify("bob"));
        homes.Apply(Named("bob", "beta"));
        homes.Apply(Captured.Event("login", "bob"));
        homes.Apply(Captured.Event("login", "bob"));
        var bob = homes.Person("bob")!;

        var news = News(homes.Apply(Captured.Event("$merge_dangerously", "ada", """{"alias":"bob"}""")));

        var one = homes.Person("bob")!;
        Assert.Equal(("ada", "acme", "active"), (one.UserId, one.Contact!.Account!.Key, one.Contact.Stage!.Name));
        Assert.Equal(3, one.Contact.Tallies.Single().Buckets.Sum(bucket => bucket.Count));
        var left = Assert.Single(news, told => told.To.Key == "beta").Members.Single();
        Assert.Equal((bob.PersonUuid, null), (left.Person, left.Contact));
        Assert.True(left.Version > bob.Version);
        var stayed = Assert.Single(news, told => told.To.Key == "acme").Members.Single();
        Assert.Equal(before.PersonUuid, stayed.Person);
    }

    [Fact]
    public void The_one_that_ends_does_so_by_the_version_of_the_merge_also_if_more_has_happened_before_it_is_told()
    {
        var homes = new Homes(Rules());
        homes.Apply(Identify("ada"));
        homes.Apply(Identify("bob"));
        var bob = homes.Person("bob")!;
        var merged = homes.Apply(Captured.Event("$merge_dangerously", "ada", """{"alias":"bob"}"""));
        var version = homes.Person("ada")!.Version;
        homes.Apply(Identify("ada", set: """{"city":"London"}"""));
        var now = homes.Person("ada")!;

        var ended = Assert.Single(PersonNews.Of(merged, now, Rules().Contacts)!.Ended);

        Assert.True(now.Version > version);
        Assert.Equal((bob.PersonUuid, "", version, "lead"), (ended.Person, ended.Key, ended.Version!.Value, ended.Stage!.Name!));
    }

    [Fact]
    public void A_merge_that_is_taken_back_gives_both_their_account_and_their_counts()
    {
        var homes = new Homes(Rules());
        homes.Apply(Identify("ada"));
        homes.Apply(Named("ada", "acme"));
        homes.Apply(Captured.Event("login", "ada"));
        homes.Apply(Identify("bob"));
        homes.Apply(Named("bob", "beta"));
        var merge = Captured.Event("$merge_dangerously", "ada", """{"alias":"bob"}""");
        homes.Apply(merge);
        var version = homes.Person("ada")!.Version;

        homes.Split("ada", merge.Uuid);

        var (ada, bob) = (homes.Person("ada")!, homes.Person("bob")!);
        Assert.Equal(("acme", "beta"), (ada.Contact!.Account!.Key, bob.Contact!.Account!.Key));
        Assert.Equal(1, ada.Contact.Tallies.Single().Buckets.Sum(bucket => bucket.Count));
        Assert.Empty(bob.Contact.Tallies);
        Assert.True(ada.Version > version && bob.Version > version);
    }

    [Fact]
    public void What_moves_without_an_event_has_the_version_that_this_made()
    {
        var rules = Rules();
        rules = rules with
        {
            Contacts = rules.Contacts with
            {
                ContactStages = StageRuleReader.ReadContacts(Stages, StagePolicy.Free).Rules!,
            },
        };
        var homes = new Homes(rules);
        homes.Apply(Identify("ada"));
        for (var logins = 0; logins < 3; logins++)
        {
            homes.Apply(Captured.Event("login", "ada"));
        }

        var root = homes.Root("ada");
        var looked = HomeNode.Handle(root, new LookAgain(root.Id, Captured.Nine.AddDays(30)) { DistinctId = "ada" }, rules);
        var pinned = HomeNode.Handle(
            looked.State, new PinContactStage(root.Id, "active", "eve", Captured.Nine) { DistinctId = "ada" }, rules);

        var version = root.Snapshot("ada")!.Version;
        Assert.Equal((version + 1, "active", "lead"), (looked.Moved!.Version, looked.Moved.Left!.Name, looked.Moved.Stage!.Name));
        Assert.Equal((version + 2, "lead", "eve"), (pinned.Moved!.Version, pinned.Moved.Left!.Name, pinned.Moved.Stage!.By));
        Assert.Null(HomeNode.Handle(
            pinned.State, new PinContactStage(root.Id, "active", "eve", Captured.Nine) { DistinctId = "ada" }, rules).Moved);
    }

    [Fact]
    public void The_journals_tell_the_same_contact()
    {
        var homes = new Homes(Rules());
        homes.Apply(Named("device", "acme"));
        homes.Apply(Captured.Event("login", "device"));
        homes.Apply(Identify("ada", "device", """{"email":"ada@example.com"}"""));
        homes.Apply(Named("ada", "beta"));
        var live = homes.Person("ada")!;

        var root = homes.Journals
            .Select(journal => journal.Value.Aggregate((PersonState?)null, Person.Evolve)!)
            .Single(state => state.Snapshot("ada") is not null);

        var told = root.Snapshot("ada")!.Contact!;
        Assert.Equal((live.Contact!.Group, live.Contact.Turn), (told.Group, told.Turn));
        Assert.Equal(live.Contact.Tallies.Single().Buckets.AsEnumerable(), told.Tallies.Single().Buckets);
    }

    [Fact]
    public void The_id_that_stands_for_a_group_is_no_member_but_its_properties_are_told()
    {
        var homes = new Homes(Rules());

        var news = News(homes.Apply(Captured.Event(
            "$groupidentify",
            "$company_acme",
            """{"$group_type":"company","$group_key":"acme","$group_set":{"seats":3}}""")));

        var told = Assert.Single(news);
        Assert.Empty(told.Members);
        Assert.Equal(new NamedValue("seats", new JsonValue("3")), told.Groups.Single().Set.Single());
        Assert.Null(homes.Person("$company_acme")!.Contact?.Account);
    }

    [Theory]
    [InlineData("""{"$group_type":"team","$group_key":"acme","$group_set":{"seats":3}}""")]
    [InlineData("""{"$group_type":"company","$group_key":"","$group_set":{"seats":3}}""")]
    [InlineData("""{"$group_type":"company","$group_key":{"x":1},"$group_set":{"seats":3}}""")]
    [InlineData("""{"$group_type":"company","$group_key":"acme","$group_set":[1]}""")]
    public void Groups_that_stand_for_no_account_are_told_to_none(string properties) =>
        Assert.Empty(News(new Homes(Rules()).Apply(Captured.Event("$groupidentify", "visitor", properties))));

    [Fact]
    public void An_account_looks_when_it_learns_of_something_and_not_when_that_happened()
    {
        var stages = StageRuleReader.ReadAccounts(["prospect: always", "customer: seats > 0"], StagePolicy.ForwardOnly).Rules!;
        var homes = new Homes(Rules());
        var account = AccountState.Unborn(new AccountId(Captured.Connection, "acme"));
        foreach (var (seats, at, received) in (IEnumerable<(int, int, int)>)[(0, 30, 30), (9, 20, 40)])
        {
            var news = News(homes.Apply(Captured.Event(
                "$groupidentify",
                "ada",
                $$$"""{"$group_type":"company","$group_key":"acme","$group_set":{"seats":{{{seats}}}}}""",
                at: Captured.Nine.AddDays(at)) with
            {
                ReceivedAt = Captured.Nine.AddDays(received),
            }));
            account = Account.Decide(account, Assert.Single(news), stages).State;
        }

        Assert.Equal(("customer", Captured.Nine.AddDays(40)), (account.Stage!.Name, account.Stage.Since));
        Assert.Equal(Captured.Nine.AddDays(30), account.Stage.FromSince);
    }

    private static PersonRules Rules() => Rules(StagePolicy.ForwardOnly, Stages);

    private static PersonRules Rules(string stage) => Rules(StagePolicy.Free, [stage]);

    private static PersonRules Rules(StagePolicy policy, string[] stages) => PersonRules.Posthog with
    {
        Contacts = ContactRules.Of(
            AccountMatchingTests.Options(),
            "company",
            StageRuleReader.ReadContacts(stages, policy).Rules!,
            StageRules.None),
    };

    private static ImmutableArray<ObserveAccount> News(params EventOutcome[] outcomes) =>
        AccountNews.Of(Captured.Connection, [.. outcomes], Rules().Contacts, (_, _) => true);

    private static CaptureEvent Identify(string user, string? device = null, string set = "{}") => Captured.Event(
        "$identify", user, $$"""{"$anon_distinct_id":"{{device ?? $"device-of-{user}"}}","$set":{{set}}}""");

    private static CaptureEvent Named(string distinctId, string key) =>
        Captured.Event("order placed", distinctId, $$$"""{"$groups":{"team":"x","company":"{{{key}}}"}}""");
}
