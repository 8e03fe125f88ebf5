using System.Net.Http.Json;
using System.Text.Json;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.Accounts;

/// <summary>Accounts through the doors: who belongs where, and what Variance hears of it.</summary>
public class AccountTests
{
    [Fact]
    public async Task A_group_call_makes_the_contact_a_member_and_the_account_tells_its_traits_once()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(Identify("ada"), Group("ada", "acme", new { name = "Acme Inc", seats = 3 }));
        await pipeline.SettledAsync();
        var told = await ToldAsync(pipeline, "acme", version: 1);

        var group = Assert.Single(told);
        Assert.Equal("$company_acme", Text(group.Body, "anonymousId"));
        Assert.Equal(
            """{"seats":3,"name":"Acme Inc","posthog_group_type":"company"}""",
            group.Body.GetProperty("traits").GetRawText());
        var own = Assert.Single(pipeline.Variance.Received, message =>
            message.Type == "group" && Text(message.Body, "userId") == "ada");
        Assert.Equal("acme", Text(own.Body, "groupId"));
        var account = await AccountAsync(pipeline, "acme");
        Assert.Equal("Acme Inc", Text(account, "name"));
        Assert.Equal(["ada group_call acme"], Members(account));
    }

    [Fact]
    public async Task An_event_that_names_a_group_moves_the_contact_and_tells_it_once()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(Identify("ada"), Named("ada", "acme"), Named("ada", "acme"));
        await pipeline.SettledAsync();
        await pipeline.CaptureAsync(Named("ada", "beta"), Named("ada", "beta"));
        await pipeline.SettledAsync();

        Assert.Equal(
            ["acme", "beta"],
            pipeline.Variance.Received.Where(message => message.Type == "group").Select(GroupId));
        Assert.Equal(
            ["acme", "acme", "beta", "beta"],
            pipeline.Variance.Received.Where(message => message.Type == "track")
                .Select(message => Text(message.Body.GetProperty("context"), "groupId")));
        var left = await AccountAsync(pipeline, "acme");
        Assert.Equal(0, left.GetProperty("contact_count").GetInt32());
        Assert.NotEqual(JsonValueKind.Null, left.GetProperty("contacts")[0].GetProperty("left_at").ValueKind);
        Assert.Equal(["ada group_call beta"], Members(await AccountAsync(pipeline, "beta")));
    }

    [Fact]
    public async Task Traits_name_the_account_where_no_group_call_does()
    {
        await using var pipeline = await StartAsync("""
            accounts { id-paths = ["company.id"], name-paths = ["company.name"] }
            """);
        await pipeline.CaptureAsync(Identify("ada", new
        {
            email = "ada@example.com",
            company = new { id = "c-7", name = "Seven" },
        }));
        await pipeline.SettledAsync();

        var account = await AccountAsync(pipeline, "c-7");
        Assert.Equal(["ada trait_path company.id"], Members(account));
        Assert.Equal("Seven", Text(account, "name"));
        var identify = Assert.Single(pipeline.Variance.Received, message => message.Type == "identify");
        Assert.Equal(
            """{"id":"c-7","name":"Seven"}""",
            identify.Body.GetProperty("traits").GetProperty("company").GetRawText());
        var told = await ToldAsync(pipeline, "c-7", version: 1);
        Assert.Equal(
            """{"name":"Seven","domains":["example.com"]}""", told[0].Body.GetProperty("traits").GetRawText());
    }

    [Fact]
    public async Task The_domain_of_the_address_is_an_account_unless_anybody_can_have_one_there()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(
            Identify("ada", new { email = "ada@mail.example.co.uk" }),
            Identify("bob", new { email = "bob@gmail.com" }));
        await pipeline.SettledAsync();

        Assert.Equal(["ada email_domain example.co.uk"], Members(await AccountAsync(pipeline, "example.co.uk")));
        Assert.Equal(JsonValueKind.Null, (await pipeline.PersonAsync("bob"))!.Value.GetProperty("account").ValueKind);
        using var none = await pipeline.ApiAsync("accounts/gmail.com");
        Assert.Equal(System.Net.HttpStatusCode.NotFound, none.StatusCode);
    }

    [Fact]
    public async Task A_visitor_with_an_address_is_no_member_until_it_is_identified()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(Event("visited", "device", new Dictionary<string, object>
        {
            ["$set"] = new { email = "ada@example.com" },
        }));
        await pipeline.SettledAsync();
        Assert.DoesNotContain(pipeline.Variance.Received, message => message.Type == "group");

        await pipeline.CaptureAsync(Identify("ada", anonymous: "device"));
        await pipeline.SettledAsync();

        Assert.Equal(["ada email_domain example.com"], Members(await AccountAsync(pipeline, "example.com")));
    }

    [Fact]
    public async Task Properties_of_a_group_that_nobody_belongs_to_reach_its_account()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(Group("$company_acme", "acme", new { seats = 3 }));
        await pipeline.CaptureAsync(Group("$company_acme", "acme", new { seats = 4, plan = "pro" }));
        await pipeline.SettledAsync();
        var told = await ToldAsync(pipeline, "acme", version: 2);

        Assert.Equal(
            """{"plan":"pro","seats":4,"posthog_group_type":"company"}""",
            told[^1].Body.GetProperty("traits").GetRawText());
        Assert.Equal(0, (await AccountAsync(pipeline, "acme")).GetProperty("contact_count").GetInt32());
    }

    [Fact]
    public async Task When_two_members_become_one_person_one_of_them_leaves_and_a_split_brings_it_back()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(Identify("ada"), Named("ada", "acme"), Identify("bob"), Named("bob", "beta"));
        await pipeline.SettledAsync();
        var merge = Guid.NewGuid();
        await pipeline.CaptureAsync(new
        {
            uuid = merge,
            @event = "$merge_dangerously",
            distinct_id = "ada",
            properties = new { alias = "bob" },
        });
        await pipeline.SettledAsync();

        Assert.Equal(["ada group_call acme"], Members(await AccountAsync(pipeline, "acme")));
        Assert.Empty(Members(await AccountAsync(pipeline, "beta")));

        using var split = await PostAsync(pipeline, "persons/ada/split", new { @event = merge });
        split.EnsureSuccessStatusCode();

        Assert.Equal(["ada group_call acme"], Members(await AccountAsync(pipeline, "acme")));
        Assert.Equal(["bob group_call beta"], Members(await AccountAsync(pipeline, "beta")));
    }

    [Fact]
    public async Task A_member_stays_one_when_the_id_that_brought_it_in_is_split_off_elsewhere()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var first = Guid.NewGuid();
        foreach (object happening in (object[])
        [
            Event("seen", "a"), Event("seen", "b"), Identify("c"), Named("c", "acme"),
            Merge(first, "a", "b"), Merge(Guid.NewGuid(), "c", "b"),
        ])
        {
            await pipeline.CaptureAsync(happening);
            await pipeline.SettledAsync();
        }

        using var split = await PostAsync(pipeline, "persons/a/split", new { @event = first });
        split.EnsureSuccessStatusCode();

        Assert.Equal(["c group_call acme"], Members(await AccountAsync(pipeline, "acme")));
    }

    [Fact]
    public async Task Stages_move_contact_and_account_and_Variance_hears_of_each_move_once()
    {
        await using var pipeline = await StartAsync("""
            stages {
              contacts = ["lead: always", "active: event 'report created' at least 2 times within 7 days"]
              accounts = ["prospect: always", "engaged: any contact (event 'report created' at least 2 times within 7 days)"]
            }
            """);
        await pipeline.CaptureAsync(Identify("ada", new { email = "ada@example.com" }));
        await pipeline.SettledAsync();
        await pipeline.CaptureAsync(Event("report created", "ada"), Event("report created", "ada"));
        await pipeline.CaptureAsync(Event("report created", "ada"));
        await pipeline.SettledAsync();
        var told = await ToldAsync(pipeline, "example.com", version: 3);

        Assert.Equal(
            ["-> lead: always", "lead -> active: event 'report created' at least 2 times within 7 days"],
            Moves(pipeline, "Contact Stage Changed"));
        Assert.Equal(
            [
                "-> prospect: always",
                "prospect -> engaged: any contact (event 'report created' at least 2 times within 7 days)",
            ],
            Moves(pipeline, "Account Stage Changed"));
        Assert.Equal("engaged", Text(told[^1].Body.GetProperty("traits"), "stage"));
        var identify = pipeline.Variance.Received.Last(message => message.Type == "identify");
        Assert.Equal("active", Text(identify.Body.GetProperty("traits"), "stage"));
    }

    [Fact]
    public async Task Contacts_tell_the_name_that_their_account_has_by_now()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(Identify("bob", new { plan = "free" }), Group("bob", "acme", new { name = "Acme" }));
        await pipeline.SettledAsync();
        using var named = await PostAsync(pipeline, "accounts/acme/name", new { name = "ACME!", by = "ada" });
        pipeline.Clock.Advance(TimeSpan.FromMinutes(2));

        await pipeline.CaptureAsync(Identify("bob", new { plan = "pro" }));
        await pipeline.SettledAsync();

        var identify = pipeline.Variance.Received.Last(message => message.Type == "identify");
        Assert.Equal("pro", Text(identify.Body.GetProperty("traits"), "plan"));
        Assert.Equal("ACME!", Text(identify.Body.GetProperty("traits").GetProperty("company"), "name"));
    }

    [Fact]
    public async Task A_name_and_a_pin_of_an_operator_hold_and_can_be_taken_back()
    {
        await using var pipeline = await StartAsync("""
            stages { accounts = ["prospect: always", "customer: seats > 5"] }
            """);
        await pipeline.CaptureAsync(Group("$company_acme", "acme", new { name = "Acme", seats = 9 }));
        await pipeline.SettledAsync();

        using var named = await PostAsync(pipeline, "accounts/acme/name", new { name = "ACME!", by = "ada" });
        using var pinned = await PostAsync(pipeline, "accounts/acme/stage", new { stage = "prospect", by = "ada" });
        await pipeline.CaptureAsync(Group("$company_acme", "acme", new { name = "Other", seats = 10 }));
        await pipeline.SettledAsync();
        var held = await AccountAsync(pipeline, "acme");
        using var back = await PostAsync(pipeline, "accounts/acme/name", new { name = (string?)null, by = "ada" });
        using var unpinned = await PostAsync(pipeline, "accounts/acme/stage", new { stage = (string?)null, by = "ada" });
        var freed = await AccountAsync(pipeline, "acme");

        Assert.Equal(("ACME!", "prospect"), (Text(held, "name"), Text(held.GetProperty("stage"), "name")));
        Assert.Equal("ada", Text(held.GetProperty("stage"), "pinned_by"));
        Assert.Equal(("Other", "customer"), (Text(freed, "name"), Text(freed.GetProperty("stage"), "name")));
        using var bad = await PostAsync(pipeline, "accounts/acme/stage", new { stage = "nope", by = "ada" });
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, bad.StatusCode);
    }

    [Fact]
    public async Task Contacts_of_a_merged_account_are_told_although_a_filter_sends_hardly_any_event()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            Hocon: $$"""variance.connections.{{PipelineHarness.Connection}}.filters.events-allowed = ["seen"]"""));
        await pipeline.CaptureAsync(
            Identify("ada", new { email = "ada@example.com" }), Identify("bob"), Group("bob", "acme", new { name = "Acme" }));
        await pipeline.SettledAsync();

        using var merged = await PostAsync(pipeline, "accounts/example.com/merge", new { into = "acme", by = "op" });
        Assert.Equal(System.Net.HttpStatusCode.OK, merged.StatusCode);
        await pipeline.SettledAsync();

        var identify = pipeline.Variance.Received.Last(message =>
            message.Type == "identify" && Text(message.Body, "userId") == "ada");
        Assert.Equal("acme", Text(identify.Body.GetProperty("traits").GetProperty("company"), "id"));
    }

    [Fact]
    public async Task Two_accounts_that_are_merged_speak_as_one_and_come_apart_as_they_were()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(
            Identify("ada", new { email = "ada@example.com" }),
            Identify("bob"),
            Group("bob", "acme", new { name = "Acme", seats = 3 }));
        await pipeline.SettledAsync();

        using var merged = await PostAsync(pipeline, "accounts/example.com/merge", new { into = "acme", by = "op" });
        Assert.Equal(System.Net.HttpStatusCode.OK, merged.StatusCode);
        var one = await AccountAsync(pipeline, "acme");
        Assert.Equal(2, one.GetProperty("contact_count").GetInt32());
        Assert.Equal("example.com", one.GetProperty("domains")[0].GetString());
        await pipeline.RestartAsync();
        await pipeline.CaptureAsync(Event("seen", "ada"));
        await pipeline.SettledAsync();

        Assert.Equal("acme", Text(pipeline.Variance.Received[^1].Body.GetProperty("context"), "groupId"));
        Assert.Equal("acme", GroupsOf(pipeline, "ada")[^1]);
        var identify = pipeline.Variance.Received.Last(message =>
            message.Type == "identify" && Text(message.Body, "userId") == "ada");
        Assert.Equal(
            """{"id":"acme","name":"Acme"}""",
            identify.Body.GetProperty("traits").GetProperty("company").GetRawText());
        Assert.Equal(["ada email_domain example.com"], Members(await AccountAsync(pipeline, "example.com")));

        using var ring = await PostAsync(pipeline, "accounts/acme/merge", new { into = "example.com", by = "op" });
        Assert.Equal(System.Net.HttpStatusCode.Conflict, ring.StatusCode);
        using var apart = await PostAsync(
            pipeline, "accounts/example.com/merge", new { into = (string?)null, by = "op" });
        Assert.Equal(System.Net.HttpStatusCode.OK, apart.StatusCode);
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(GroupsOf(pipeline, "ada")[^1] == "example.com"), "the contact is told back");
        var left = await AccountAsync(pipeline, "acme");
        Assert.Equal(1, left.GetProperty("contact_count").GetInt32());
        Assert.Empty(left.GetProperty("domains").EnumerateArray());
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(pipeline.Variance.Received.Any(message => message.Type == "group"
                && message.Body.GetProperty("traits").TryGetProperty("domains", out var domains)
                && domains.ValueKind is JsonValueKind.Null)),
            "Variance forgets the other one's domains");
    }

    [Fact]
    public async Task A_pin_that_is_taken_away_where_no_rule_holds_leaves_no_stage_at_Variance()
    {
        await using var pipeline = await StartAsync("""
            stages { contacts = ["vip: plan = 'pro'"], contact-policy = free }
            """);
        await pipeline.CaptureAsync(Identify("ada", new { seats = 1 }));
        await pipeline.SettledAsync();
        using var pinned = await PostAsync(pipeline, "persons/ada/stage", new { stage = "vip", by = "op" });
        using var freed = await PostAsync(pipeline, "persons/ada/stage", new { stage = (string?)null, by = "op" });
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(Moves(pipeline, "Contact Stage Changed").Count > 1), "the last move is told");

        var traits = pipeline.Variance.Received.Last(message => message.Type == "identify").Body.GetProperty("traits");
        Assert.Equal(JsonValueKind.Null, traits.GetProperty("stage").ValueKind);
    }

    [Fact]
    public async Task A_merge_of_accounts_goes_on_when_whoever_asked_for_it_goes_away()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        string[] users = [.. Enumerable.Range(0, 24).Select(number => $"user-{number}")];
        await pipeline.CaptureAsync([
            .. users.Select(user => Identify(user, new { email = $"{user}@example.com" })),
            Identify("bob"),
            Group("bob", "acme", new { name = "Acme" }),
        ]);
        await pipeline.SettledAsync();
        var registry = pipeline.Services.GetRequiredService<ActorRegistry>();
        using var caller = new CancellationTokenSource();

        var call = pipeline.Services.GetRequiredService<AccountMerging>().MergeAsync(
            registry.Get<AccountsRegion>(),
            registry.Get<PeopleRegion>(),
            new AccountId(PipelineHarness.Connection, "example.com"),
            new AccountId(PipelineHarness.Connection, "acme"),
            "op",
            caller.Token);
        await PipelineHarness.UntilAsync(
            async () => Text(await AccountAsync(pipeline, "example.com"), "merged_into") == "acme", "the accounts are one");
        await caller.CancelAsync();
        await Record.ExceptionAsync(() => call);

        await PipelineHarness.UntilAsync(
            () => Task.FromResult(users.All(user => GroupsOf(pipeline, user)[^1] == "acme")), "all are told");
    }

    [Fact]
    public async Task A_merge_of_accounts_that_a_node_left_half_way_is_finished()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Store: StoreKind.Sqlite));
        await pipeline.CaptureAsync(
            Identify("ada", new { email = "ada@example.com" }), Identify("bob"), Group("bob", "acme", new { name = "Acme" }));
        await pipeline.SettledAsync();
        await pipeline.Database.WriteAsync(session => session.Execute(new Statement(
            "CREATE TRIGGER no_ledger BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'no'); END")));
        using var merged = await PostAsync(pipeline, "accounts/example.com/merge", new { into = "acme", by = "op" });
        Assert.False(merged.IsSuccessStatusCode);
        Assert.Equal("example.com", GroupsOf(pipeline, "ada")[^1]);

        await pipeline.Database.WriteAsync(session => session.Execute(new Statement("DROP TRIGGER no_ledger")));
        await pipeline.RestartAsync();

        await PipelineHarness.UntilAsync(
            () => Task.FromResult(GroupsOf(pipeline, "ada")[^1] == "acme"), "the contact is told");
        await PipelineHarness.UntilAsync(
            () => pipeline.Database.ReadAsync(session =>
                session.Scalar(new Statement("SELECT count(*) FROM unfinished_account_merge")) is 0L),
            "nothing is left to do");
    }

    [Fact]
    public async Task A_pinned_contact_stays_where_it_is_until_the_pin_is_taken_away()
    {
        await using var pipeline = await StartAsync("""
            stages { contacts = ["lead: always", "trial: seats > 0", "customer: seats > 9"] }
            """);
        await pipeline.CaptureAsync(Identify("ada", new { seats = 1 }));
        await pipeline.SettledAsync();

        using var pinned = await PostAsync(pipeline, "persons/ada/stage", new { stage = "lead", by = "op" });
        using var again = await PostAsync(pipeline, "persons/ada/stage", new { stage = "lead", by = "op" });
        await pipeline.CaptureAsync(Event("$set", "ada", new Dictionary<string, object> { ["$set"] = new { seats = 10 } }));
        await pipeline.SettledAsync();
        var held = (await pipeline.PersonAsync("ada"))!.Value.GetProperty("stage");
        using var freed = await PostAsync(pipeline, "persons/ada/stage", new { stage = (string?)null, by = "op" });
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(Moves(pipeline, "Contact Stage Changed").Count > 2), "the last move is told");

        Assert.Equal(("lead", "op"), (Text(held, "name"), Text(held, "pinned_by")));
        Assert.Equal(
            ["-> trial: seats > 0", "trial -> lead: pinned", "lead -> customer: seats > 9"],
            Moves(pipeline, "Contact Stage Changed"));
        using var nobody = await PostAsync(pipeline, "persons/nobody/stage", new { stage = "lead", by = "op" });
        Assert.Equal(System.Net.HttpStatusCode.NotFound, nobody.StatusCode);
    }

    [Fact]
    public async Task A_preview_says_where_everybody_would_be_and_moves_nobody()
    {
        const string Now = """contacts = ["lead: always", "trial: event 'report created'"], accounts = ["prospect: always"]""";
        string[] contacts = ["lead: always", "customer: plan = 'pro' and event 'report created' at least 2 times"];
        string[] accounts = ["prospect: always", "engaged: at least 2 contacts (event 'report created')"];
        object[] traffic =
        [
            Identify("ada", new { email = "ada@example.com", plan = "pro" }),
            Identify("bob", new { email = "bob@example.com", plan = "free" }),
            Identify("cid", new { email = "cid@example.org", plan = "pro" }),
            Event("report created", "ada"), Event("report created", "ada"),
            Event("report created", "bob"), Event("report created", "bob"), Event("report created", "cid"),
        ];
        await using var pipeline = await StartAsync($$"""stages { {{Now}} }""");
        await pipeline.CaptureAsync(traffic);
        await pipeline.SettledAsync();

        using var answer = await PostAsync(pipeline, "stages/preview", new { contacts, accounts, contact_policy = "free" });
        answer.EnsureSuccessStatusCode();
        var preview = await answer.Content.ReadFromJsonAsync<JsonElement>();
        using var wrong = await PostAsync(pipeline, "stages/preview", new { contacts = (string[])["lead"] });

        Assert.Equal(["ada -> customer", "bob -> lead", "cid -> lead"], Previewed(preview, "contacts"));
        Assert.Equal(["example.com -> engaged"], Previewed(preview, "accounts"));
        Assert.Equal(3, preview.GetProperty("contacts_seen").GetInt32());
        Assert.Equal("trial", Text((await pipeline.PersonAsync("ada"))!.Value.GetProperty("stage"), "name"));
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Contains("write it as", await wrong.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        await pipeline.RestartAsync(hocon: $$"""
            variance.views { lag = "00:00:00.001", stage-sweep = "00:00:01" }
            variance.connections.acme.stages {
              contacts = [{{Quoted(contacts)}}], accounts = [{{Quoted(accounts)}}], contact-policy = free
            }
            """);
        await PipelineHarness.UntilAsync(
            async () => Text((await AccountAsync(pipeline, "example.com")).GetProperty("stage"), "name") == "engaged"
                && Moves(pipeline, "Contact Stage Changed").Count(move => move.StartsWith("trial ->", StringComparison.Ordinal)) == 3,
            "everybody is where the preview said, although nothing happens, and Variance is told");
        foreach (var (user, stage) in (IEnumerable<(string, string)>)[("ada", "customer"), ("bob", "lead"), ("cid", "lead")])
        {
            Assert.Equal(stage, Text((await pipeline.PersonAsync(user))!.Value.GetProperty("stage"), "name"));
        }

        Assert.Equal("prospect", Text((await AccountAsync(pipeline, "example.org")).GetProperty("stage"), "name"));
        Assert.Equal(
            ["prospect -> engaged: at least 2 contacts (event 'report created')"],
            Moves(pipeline, "Account Stage Changed").Where(move => move.StartsWith("prospect ->", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Other_rules_of_accounts_move_also_one_without_contacts_and_none_on_words_of_older_rules()
    {
        const string Stages = """
            variance.views { lag = "00:00:00.001", stage-sweep = "00:00:01" }
            variance.connections.acme.stages.accounts = ["prospect: always", "healthy: not any contact (blocked = true)"
            """;
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Hocon: Stages + "]"));
        await pipeline.CaptureAsync(
            Identify("ada", new { email = "ada@acme.com", blocked = true }),
            Group("someone", "globex", new { plan = "enterprise" }));
        await pipeline.SettledAsync();
        await pipeline.ViewsSettledAsync();
        Assert.Equal("prospect", Text((await AccountAsync(pipeline, "acme.com")).GetProperty("stage"), "name"));

        await pipeline.RestartAsync(hocon: Stages + """, "customer: plan = 'enterprise'"]""");
        await PipelineHarness.UntilAsync(
            async () => Text((await AccountAsync(pipeline, "globex")).GetProperty("stage"), "name") == "customer",
            "the account without contacts is looked at");
        await pipeline.CaptureAsync(Identify("bob", new { email = "bob@acme.com" }));
        await pipeline.SettledAsync();
        Assert.Equal("prospect", Text((await AccountAsync(pipeline, "acme.com")).GetProperty("stage"), "name"));
    }

    [Fact]
    public async Task Nothing_is_told_again_after_a_restart()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(Identify("ada"), Group("ada", "acme", new { seats = 3 }));
        await pipeline.SettledAsync();
        await ToldAsync(pipeline, "acme", version: 1);
        await pipeline.RestartAsync();
        await pipeline.CaptureAsync(Named("ada", "acme"), Identify("ada", new { plan = "pro" }, "device"));
        await pipeline.CaptureAsync(Group("ada", "acme", new { seats = 4 }));
        await pipeline.SettledAsync();
        var told = await ToldAsync(pipeline, "acme", version: 2);

        Assert.Equal([3, 4], told.Select(group => group.Body.GetProperty("traits").GetProperty("seats").GetInt32()));
        Assert.Equal(["ada group_call acme"], Members(await AccountAsync(pipeline, "acme")));
    }

    [Fact]
    public async Task The_mapping_plugin_sends_no_word_of_accounts()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        await pipeline.CaptureAsync(Identify("ada"), Group("ada", "acme", new { seats = 3 }), Event("x", "ada"));
        await pipeline.SettledAsync();

        Assert.Equal(
            ["identify", "group", "track"], pipeline.Variance.Received.Select(message => message.Type));
        Assert.Equal(["ada group_call acme"], Members(await AccountAsync(pipeline, "acme")));
    }

    private static Task<PipelineHarness> StartAsync(string connection) => PipelineHarness.StartAsync(
        new HarnessOptions(Hocon: $"variance.connections.{PipelineHarness.Connection} {{ {connection} }}"));

    /// <summary>What an account itself said, once it has said everything up to a version.</summary>
    private static async Task<List<ReceivedMessage>> ToldAsync(PipelineHarness pipeline, string account, int version)
    {
        List<ReceivedMessage> told = [];
        await PipelineHarness.UntilAsync(
            async () =>
            {
                told = [.. pipeline.Variance.Received.Where(message => message.Type == "group"
                    && GroupId(message) == account
                    && Text(message.Body, "userId") is null
                    && message.Body.GetProperty("traits").EnumerateObject().Count() > 1)];
                return told.Count > 0
                    && (await AccountAsync(pipeline, account)).GetProperty("version").GetInt32() == version
                    && IsLast(told[^1], await AccountAsync(pipeline, account));
            },
            $"the account is told up to version {version}");
        return told;
    }

    private static bool IsLast(ReceivedMessage group, JsonElement account) =>
        account.GetProperty("properties").EnumerateObject()
            .Where(property => property.Name is not "name")
            .All(property => group.Body.GetProperty("traits").TryGetProperty(property.Name, out var sent)
                && sent.GetRawText() == property.Value.GetRawText())
        && (account.GetProperty("stage").ValueKind is JsonValueKind.Null
            || Text(group.Body.GetProperty("traits"), "stage") == Text(account.GetProperty("stage"), "name"));

    private static async Task<JsonElement> AccountAsync(PipelineHarness pipeline, string key)
    {
        using var answer = await pipeline.ApiAsync($"accounts/{Uri.EscapeDataString(key)}");
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    private static async Task<HttpResponseMessage> PostAsync(PipelineHarness pipeline, string path, object body)
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Post, $"/api/v1/connections/{PipelineHarness.Connection}/{path}");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {PipelineHarness.AdminKey}");
        request.Content = JsonContent.Create(body);
        return await pipeline.Http.SendAsync(request);
    }

    private static List<string> Members(JsonElement account) =>
    [
        .. account.GetProperty("contacts").EnumerateArray()
            .Where(contact => contact.GetProperty("rule").ValueKind is JsonValueKind.String)
            .Select(contact => $"{Text(contact, "user_id")} {Text(contact, "rule")} {Text(contact, "value")}"),
    ];

    private static List<string> Moves(PipelineHarness pipeline, string name) =>
    [
        .. pipeline.Variance.Received
            .Where(message => message.Type == "track" && Text(message.Body, "event") == name)
            .Select(message => message.Body.GetProperty("properties"))
            .Select(move => $"{Text(move, "from")} -> {Text(move, "to")}: {Text(move, "rule")}".TrimStart()),
    ];

    private static IEnumerable<string> Previewed(JsonElement preview, string kind) => preview.GetProperty(kind)
        .EnumerateArray()
        .Select(move => $"{Text(move, "id")} -> {Text(move.GetProperty("move"), "to")}")
        .Order(StringComparer.Ordinal);

    private static string Quoted(string[] texts) => string.Join(", ", texts.Select(text => $"\"{text}\""));

    private static List<string?> GroupsOf(PipelineHarness pipeline, string user) =>
    [
        .. pipeline.Variance.Received
            .Where(message => message.Type == "group" && Text(message.Body, "userId") == user)
            .Select(GroupId),
    ];

    private static string? GroupId(ReceivedMessage message) => Text(message.Body, "groupId");

    private static string? Text(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static object Identify(string user, object? set = null, string? anonymous = null) =>
        Event("$identify", user, new Dictionary<string, object>
        {
            ["$anon_distinct_id"] = anonymous ?? $"device-of-{user}",
            ["$set"] = set ?? new { },
        });

    private static object Merge(Guid uuid, string distinctId, string alias) =>
        new { uuid, @event = "$merge_dangerously", distinct_id = distinctId, properties = new { alias } };

    private static object Group(string distinctId, string key, object set) =>
        Event("$groupidentify", distinctId, new Dictionary<string, object>
        {
            ["$group_type"] = "company",
            ["$group_key"] = key,
            ["$group_set"] = set,
        });

    private static object Named(string distinctId, string key) =>
        Event("order placed", distinctId, new Dictionary<string, object> { ["$groups"] = new { company = key } });

    private static object Event(string name, string distinctId, Dictionary<string, object>? properties = null) => new
    {
        uuid = Guid.NewGuid(),
        @event = name,
        distinct_id = distinctId,
        properties = properties ?? [],
    };
}
