using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using VarianceActors.Harness;
using VarianceActors.Host.Commands;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.Views;

/// <summary>Contacts, accounts and stages as the API lists them, through the doors.</summary>
public sealed class ViewsTests
{
    private const string Stages = """
        variance.connections.acme.stages {
          contacts = ["lead: always", "active: event 'report' at least 2 times within 7 days", "customer: plan = 'pro'"]
          accounts = ["prospect: always", "customer: any contact (plan = 'pro')"]
        }
        """;

    private static readonly Statement[] Lose =
    [
        new("DELETE FROM view_contact"),
        new("DELETE FROM view_membership"),
        new("DELETE FROM view_contact_move"),
        new("DELETE FROM view_account_move"),
        new("DELETE FROM view_stage_day"),
        new("UPDATE view_account SET name = 'wrong', version = 99"),
    ];

    [Fact]
    public async Task Contacts_are_listed_by_filters_in_order_and_page_by_page()
    {
        await using var pipeline = await StartAsync();
        await pipeline.CaptureAsync(
            Identify("u1", new { email = "ada@acme.com", name = "Ada Lovelace", plan = "pro" }),
            Identify("u2", new { email = "bob@acme.com", name = "bob Stone" }),
            Identify("u3", new { email = "cy@beta.io", name = "Cy" }),
            Event("visitor", "report", -1),
            Event("u1", "report", -3),
            Event("u2", "report", -2),
            Event("u3", "report", -1));
        await pipeline.ViewsSettledAsync();

        Assert.Equal(["u3", "u2", "u1"], await UsersAsync(pipeline, "contacts"));
        Assert.Equal(["u1", "u2", "u3"], await UsersAsync(pipeline, "contacts?sort=name"));
        Assert.Equal(["u1", "u3", "u2"], await UsersAsync(pipeline, "contacts?sort=stage"));
        Assert.Equal(["u2", "u1"], await UsersAsync(pipeline, "contacts?account=acme.com"));
        Assert.Equal(["u3"], await UsersAsync(pipeline, "contacts?domain=BETA.io"));
        Assert.Equal(["u1"], await UsersAsync(pipeline, "contacts?stage=customer"));
        Assert.Equal(["u1"], await UsersAsync(pipeline, "contacts?search=love%20ada"));
        Assert.Equal(["u2", "u1"], await UsersAsync(pipeline, "contacts?search=acme"));
        Assert.Empty(await UsersAsync(pipeline, "contacts?search=ovelace"));
        var since = Uri.EscapeDataString(At(pipeline, -2).ToString("O"));
        Assert.Equal(["u3", "u2"], await UsersAsync(pipeline, $"contacts?seen_since={since}"));
        foreach (var sort in (string[])["last_seen", "name", "created", "stage"])
        {
            var all = await UsersAsync(pipeline, $"contacts?sort={sort}");
            Assert.Equal(all, await PagedAsync(pipeline, $"contacts?sort={sort}&limit=1"));
            Assert.Equal(3, all.Length);
        }
    }

    [Fact]
    public async Task A_contact_shows_its_properties_ids_accounts_stages_and_activity()
    {
        await using var pipeline = await StartAsync();
        await pipeline.CaptureAsync(Event("anon", "report", -5));
        await pipeline.CaptureAsync(Identify("u1", new { email = "ada@acme.com" }, "anon"), Event("u1", "report", -1));
        await pipeline.ViewsSettledAsync();
        await pipeline.CaptureAsync(Event("u1", "report", 0, new { groups = 1 }, "beta"));
        await pipeline.ViewsSettledAsync();

        var contact = await JsonAsync(pipeline, "contacts/u1");
        Assert.Equal(["anon", "u1"], Texts(contact.GetProperty("distinct_ids")));
        Assert.Equal("ada@acme.com", contact.GetProperty("properties").GetProperty("email").GetString());
        Assert.Equal(["acme.com", "beta"], contact.GetProperty("accounts").EnumerateArray().Select(Account));
        Assert.Equal("active", contact.GetProperty("contact").GetProperty("stage").GetProperty("name").GetString());
        Assert.Equal(
            ["lead", "active"],
            contact.GetProperty("moves").EnumerateArray().Select(move => move.GetProperty("to").GetString()));
        var events = contact.GetProperty("activity").EnumerateArray().Sum(day => day.GetProperty("events").GetInt64());
        Assert.Equal(3, events);

        var list = await JsonAsync(pipeline, "contacts/u1/events?limit=2");
        Assert.Equal(2, list.GetProperty("items").GetArrayLength());
        var rest = await JsonAsync(pipeline, $"contacts/u1/events?after={list.GetProperty("next").GetString()}");
        Assert.Equal(2, rest.GetProperty("items").GetArrayLength());
        using var nobody = await pipeline.ApiAsync("contacts/nobody");
        Assert.Equal(HttpStatusCode.NotFound, nobody.StatusCode);

        static string Account(JsonElement membership) => membership.GetProperty("account").GetString()!;
    }

    [Fact]
    public async Task Two_contacts_that_become_one_are_one_with_the_activity_of_both_and_a_split_gives_it_back()
    {
        await using var pipeline = await StartAsync();
        var merge = Guid.NewGuid();
        await SettleAsync(pipeline, Identify("u1", new { email = "ada@acme.com" }), Event("u1", "report", -1));
        await SettleAsync(pipeline, Identify("u2", new { email = "eve@acme.com" }), Event("u2", "report", -2));
        await SettleAsync(pipeline, new
        {
            @event = "$merge_dangerously",
            distinct_id = "u1",
            uuid = merge,
            properties = new { alias = "u2" },
        });
        Assert.Equal(["u1"], await UsersAsync(pipeline, "contacts"));
        Assert.Equal(2, await EventsAsync(pipeline, "u1"));

        using var split = await pipeline.ApiAsync(HttpMethod.Post, "persons/u1/split", new { @event = merge });
        Assert.Equal(HttpStatusCode.OK, split.StatusCode);
        await pipeline.ViewsSettledAsync();
        Assert.Equal(["u1", "u2"], await UsersAsync(pipeline, "contacts"));
        Assert.Equal(1, await EventsAsync(pipeline, "u1"));
        Assert.Equal(1, await EventsAsync(pipeline, "u2"));
        await SettleAsync(pipeline, Event("u2", "report", 0));
        Assert.Equal(["u2", "u1"], await UsersAsync(pipeline, "contacts"));
    }

    [Fact]
    public async Task Accounts_are_listed_and_show_their_activity_against_the_period_before()
    {
        await using var pipeline = await StartAsync();
        await SettleAsync(
            pipeline,
            Identify("u1", new { email = "ada@acme.com", plan = "pro" }),
            Identify("u2", new { email = "bob@beta.io" }));
        await SettleAsync(
            pipeline,
            Event("u1", "report", -1),
            Event("u1", "report", -8 * 24),
            Event("u1", "report", -8 * 24),
            Event("u2", "report", 0));

        Assert.Equal(["beta.io", "acme.com"], await IdsAsync(pipeline, "accounts"));
        Assert.Equal(["acme.com", "beta.io"], await IdsAsync(pipeline, "accounts?sort=name"));
        Assert.Equal(["acme.com", "beta.io"], await IdsAsync(pipeline, "accounts?sort=stage"));
        Assert.Equal(["acme.com"], await IdsAsync(pipeline, "accounts?stage=customer"));
        Assert.Equal(["beta.io"], await IdsAsync(pipeline, "accounts?domain=beta.io"));
        Assert.Equal(["beta.io"], await IdsAsync(pipeline, "accounts?search=bet"));
        var activity = (await JsonAsync(pipeline, "accounts/acme.com?days=7")).GetProperty("activity");
        Assert.Equal(1, activity.GetProperty("events").GetInt64());
        Assert.Equal(2, activity.GetProperty("events_before").GetInt64());
        Assert.Equal(-50, activity.GetProperty("events_change").GetDouble());
        Assert.Equal(1, activity.GetProperty("active_contacts").GetInt32());
        var year = (await JsonAsync(pipeline, "accounts/acme.com?days=300")).GetProperty("activity"); // not all before it is kept
        Assert.Equal((3, JsonValueKind.Null, JsonValueKind.Null), (
            year.GetProperty("events").GetInt64(),
            year.GetProperty("events_before").ValueKind,
            year.GetProperty("active_contacts_change").ValueKind));
        var stages = await JsonAsync(pipeline, "stages");
        Assert.Equal(
            ["lead 1 1 0 0", "active 0 0 0 0", "customer 1 1 0 0", " 0 0 2 2"],
            stages.GetProperty("contacts").EnumerateArray().Select(stage => string.Join(
                ' ',
                stage.GetProperty("stage").GetString(),
                stage.GetProperty("count"),
                stage.GetProperty("entered"),
                stage.GetProperty("left"),
                stage.GetProperty("advanced"))));
    }

    [Fact]
    public async Task A_visitor_is_no_member_of_an_account_and_leaves_none_behind_when_it_logs_in()
    {
        await using var pipeline = await StartAsync();
        await SettleAsync(pipeline, Identify("u1", new { plan = "pro" }), Event("u1", "report", -2, null, "beta"));
        await SettleAsync(
            pipeline,
            new
            {
                @event = "$groupidentify",
                distinct_id = "visitor",
                properties = new Dictionary<string, object>
                {
                    ["$group_type"] = "company",
                    ["$group_key"] = "acme",
                    ["$group_set"] = new { name = "Acme" },
                },
            },
            Event("visitor", "report", -1, new { seen = 1 }, "acme"));
        Assert.Empty(await MembershipsAsync("acme"));
        var visitor = (await pipeline.PersonAsync("visitor"))!.Value.GetProperty("person_id").GetGuid();

        await SettleAsync(pipeline, Identify("u1", new { plan = "pro" }, from: "visitor"));

        Assert.Equal(["group_call"], await MembershipsAsync("beta"));
        Assert.Empty(await MembershipsAsync("acme"));
        Assert.Equal(0L, await pipeline.Database.ReadAsync(session => session.Scalar(new Statement(
            "SELECT count(*) FROM view_membership m WHERE m.person = @person AND COALESCE(m.account, 0) <> 0 AND NOT EXISTS "
            + "(SELECT 1 FROM view_membership n WHERE n.person = m.person AND n.version > m.version)"),
            visitor.ToByteArray(bigEndian: true))));

        async Task<IEnumerable<string?>> MembershipsAsync(string account) =>
            (await JsonAsync(pipeline, $"accounts/{account}")).GetProperty("memberships").EnumerateArray()
                .Select(membership => Text(membership, "rule"));
    }

    [Fact]
    public async Task A_merged_account_brings_its_activity_along_and_nobody_is_counted_twice()
    {
        await using var pipeline = await StartAsync();
        await SettleAsync(
            pipeline,
            Identify("u1", new { email = "ada@acme.com" }),
            Identify("u2", new { email = "bob@beta.io" }),
            Event("u1", "report", -30),
            Event("u2", "report", -29));
        await SettleAsync(pipeline, Event("u2", "report", -28, null, "acme.com"));
        using var merged = await pipeline.ApiAsync(
            HttpMethod.Post, "accounts/beta.io/merge", new { into = "acme.com", by = "eve" });
        Assert.Equal(HttpStatusCode.OK, merged.StatusCode);
        await pipeline.ViewsSettledAsync();

        var account = await JsonAsync(pipeline, "accounts/acme.com?days=7");
        var activity = account.GetProperty("activity");
        Assert.Equal(3, activity.GetProperty("events").GetInt64());
        Assert.Equal(2, activity.GetProperty("active_contacts").GetInt32());
        Assert.Equal(3, activity.GetProperty("days").EnumerateArray().Sum(day => day.GetProperty("events").GetInt64()));
        Assert.Equal(
            ["acme.com", "acme.com", "beta.io"],
            account.GetProperty("memberships").EnumerateArray().Select(one => Text(one, "account")).Order());
        Assert.Equal(1, (await JsonAsync(pipeline, "accounts/beta.io")).GetProperty("memberships").GetArrayLength());
        using var apart = await pipeline.ApiAsync(
            HttpMethod.Post, "accounts/beta.io/merge", new { into = (string?)null, by = "eve" });
        await pipeline.ViewsSettledAsync();
        activity = (await JsonAsync(pipeline, "accounts/acme.com?days=7")).GetProperty("activity");
        Assert.Equal(2, activity.GetProperty("events").GetInt64());
    }

    [Fact]
    public async Task Pins_stand_in_the_history_with_who_set_them_and_took_them_away_and_leave_the_time_of_entry()
    {
        await using var pipeline = await StartAsync();
        await SettleAsync(pipeline, Identify("u1", new { email = "ada@acme.com", plan = "pro" }));
        var entered = await SinceAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(2));
        await PinAsync(pipeline, "persons/u1", "customer", "eve");
        await PinAsync(pipeline, "accounts/acme.com", "customer", "eve");
        pipeline.Clock.Advance(TimeSpan.FromDays(1));
        await PinAsync(pipeline, "persons/u1", null, "bob");
        await PinAsync(pipeline, "accounts/acme.com", null, "bob");
        Assert.Equal(entered, await SinceAsync());
        await PinAsync(pipeline, "persons/u1", "lead", "eve");
        await PinAsync(pipeline, "accounts/acme.com", "prospect", "eve");

        Assert.Equal(
            [
                " > customer: plan = 'pro' by ", "customer > customer: pinned by eve", "customer > customer: unpinned by bob",
                "customer > lead: pinned by eve",
            ],
            await MovesAsync("contacts/u1"));
        Assert.Equal(
            [
                " > customer: any contact (plan = 'pro') by ", "customer > customer: pinned by eve",
                "customer > customer: unpinned by bob", "customer > prospect: pinned by eve",
            ],
            await MovesAsync("accounts/acme.com"));
        var stages = await JsonAsync(pipeline, "stages");
        foreach (var kind in (string[])["contacts", "accounts"])
        {
            var customer = stages.GetProperty(kind).EnumerateArray().Single(stage => Text(stage, "stage") == "customer");
            Assert.Equal(72, customer.GetProperty("hours_in_stage").GetDouble(), 1.0);
            Assert.Equal(1, customer.GetProperty("entered").GetInt64());
            Assert.Equal(1, customer.GetProperty("left").GetInt64());
        }

        async Task<(string?, string?)> SinceAsync() => (
            Text((await JsonAsync(pipeline, "contacts/u1")).GetProperty("contact").GetProperty("stage"), "since"),
            Text((await JsonAsync(pipeline, "accounts/acme.com")).GetProperty("stage"), "since"));

        async Task<IEnumerable<string>> MovesAsync(string path) =>
            (await JsonAsync(pipeline, path)).GetProperty("moves").EnumerateArray().Select(move =>
                $"{Text(move, "from")} > {Text(move, "to")}: {Text(move, "rule")} by {Text(move, "by")}");
    }

    [Fact]
    public async Task A_pin_that_is_taken_away_and_an_event_that_comes_meanwhile_are_both_in_the_history()
    {
        await using var pipeline = await StartAsync();
        await SettleAsync(pipeline, Identify("u1", new { email = "ada@acme.com" }));
        await PinAsync(pipeline, "persons/u1", "lead", "eve");
        var system = pipeline.Services.GetRequiredService<ActorSystem>();
        var people = ActorRegistry.For(system).Get<PeopleRegion>();
        var between = system.ActorOf(Props.Create(() => new Between(
            people, () => SettleAsync(pipeline, Event("u1", "bought", 0, new { plan = "pro" })))));

        await pipeline.Services.GetRequiredService<ContactPinning>()
            .PinAsync(between, new PersonId(PipelineHarness.Connection, "u1"), null, "bob", CancellationToken.None);
        await pipeline.ViewsSettledAsync();

        Assert.Equal(
            ["always", "pinned", "unpinned", "plan = 'pro'"],
            (await JsonAsync(pipeline, "contacts/u1")).GetProperty("moves").EnumerateArray()
                .Select(move => Text(move, "rule")));
    }

    [Fact]
    public async Task A_pin_in_place_that_was_cut_short_is_in_the_history_once_it_is_asked_for_again()
    {
        await using var pipeline = await StartAsync();
        await SettleAsync(pipeline, Identify("u1", new { email = "ada@acme.com" }));
        var people = ActorRegistry.For(pipeline.Services.GetRequiredService<ActorSystem>()).Get<PeopleRegion>();
        await people.Ask<object>(new PinContactStage(
            new PersonId(PipelineHarness.Connection, "u1"), "lead", "eve", pipeline.Clock.GetUtcNow()));
        await SettleAsync(pipeline, Event("u1", "bought", 0, new { seats = 3 }));

        await PinAsync(pipeline, "persons/u1", "lead", "eve");
        await SettleAsync(pipeline, Event("u1", "bought", 0, new { seats = 4 }));
        await PinAsync(pipeline, "persons/u1", "lead", "eve");

        Assert.Equal(
            ["always", "pinned"],
            (await JsonAsync(pipeline, "contacts/u1")).GetProperty("moves").EnumerateArray()
                .Select(move => Text(move, "rule")));
    }

    [Fact]
    public async Task Lists_are_exported_as_csv_in_which_no_spreadsheet_finds_a_formula()
    {
        await using var pipeline = await StartAsync();
        await SettleAsync(pipeline, Identify("u1", new { name = "=cmd|' /C calc'!A0", email = "a,\"b\"@acme.com" }));
        using var csv = await pipeline.ApiAsync("contacts.csv?sort=name");
        var lines = (await csv.Content.ReadAsStringAsync()).Split("\r\n");

        Assert.Equal("text/csv", csv.Content.Headers.ContentType!.MediaType);
        Assert.StartsWith("person_id,user_id,name,email,account,", lines[0]);
        Assert.Contains(",u1,'=cmd|' /C calc'!A0,\"a,\"\"b\"\"@acme.com\",acme.com,", lines[1]);
        using var asked = new HttpRequestMessage(HttpMethod.Get, "/api/v1/connections/acme/accounts");
        asked.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/csv"));
        asked.Headers.TryAddWithoutValidation("Authorization", $"Bearer {PipelineHarness.AdminKey}");
        using var accounts = await pipeline.Http.SendAsync(asked);
        Assert.StartsWith("id,name,domains,contact_count", await accounts.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("contacts?sort=colour", "'sort' is last_seen, name, created or stage.")]
    [InlineData("contacts?limit=0", "'limit' is a whole number from 1 to 1000.")]
    [InlineData("contacts?limit=x", "'limit' is a whole number from 1 to 1000.")]
    [InlineData("contacts.csv?limit=10", "'limit' is for pages: a file has everything that matches.")]
    [InlineData("accounts.csv?limit=10", "'limit' is for pages: a file has everything that matches.")]
    [InlineData("contacts?after=x!", "'after' is not the 'next' of a page.")]
    [InlineData("contacts?seen_since=soon", "'seen_since' is no time in ISO 8601, such as 2026-03-01T09:00:00Z.")]
    [InlineData("contacts?search=%20", "'search' has no word to look for, or more than 200 characters.")]
    [InlineData("accounts?account=acme", "'account' is a filter of contacts.")]
    [InlineData("contacts/u1/events?after=9", "'after' is not the 'next' of a page.")]
    [InlineData("contacts/u1?days=9999", "'days' is a whole number from 1 to 366.")]
    [InlineData("stages?from=2026-13-01", "'from' is no day, such as 2026-03-01.")]
    [InlineData("stages?from=2026-03-02&to=2026-03-01", "'from' is behind 'to'.")]
    [InlineData("stages?from=1999-12-31", "'from' is before TODAY-400: what was counted then is not kept any more.")]
    public async Task What_is_asked_wrongly_is_told_exactly(string path, string detail)
    {
        await using var pipeline = await StartAsync();
        using var answer = await pipeline.ApiAsync(path);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var kept = $"{pipeline.Clock.GetUtcNow().AddDays(-400):yyyy-MM-dd}";
        Assert.Equal(
            detail.Replace("TODAY-400", kept, StringComparison.Ordinal),
            (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("detail").GetString());
    }

    [Fact]
    public async Task A_cursor_belongs_to_its_list_alone()
    {
        await using var pipeline = await StartAsync();
        await SettleAsync(pipeline, Identify("u1", new { email = "a@acme.com" }), Identify("u2", new { email = "b@acme.com" }));
        var next = (await JsonAsync(pipeline, "contacts?limit=1&search=acme")).GetProperty("next").GetString();

        Assert.Single(await UsersAsync(pipeline, $"contacts?search=acme&after={next}"));
        foreach (var other in (string[])[$"contacts?after={next}", $"contacts?search=acme&sort=name&after={next}"])
        {
            using var answer = await pipeline.ApiAsync(other);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_backfill_counts_and_leaves_last_seen_as_it_is()
    {
        await using var pipeline = await StartAsync();
        await SettleAsync(pipeline, Identify("u1", new { email = "a@acme.com" }));
        using var answer = await pipeline.Http.PostAsJsonAsync("/batch", new
        {
            api_key = PipelineHarness.Token,
            historical_migration = true,
            batch = (object[])[Event("u1", "report", -1)],
        });
        await pipeline.ViewsSettledAsync();

        var contact = (await JsonAsync(pipeline, "contacts")).GetProperty("items")[0];
        Assert.Equal(JsonValueKind.Null, contact.GetProperty("last_seen").ValueKind);
        Assert.Equal(1, await EventsAsync(pipeline, "u1"));
    }

    [Theory]
    [InlineData("u1", "u3", true)]
    [InlineData("u3", "u1", true)]
    [InlineData("u1", "u3", false)]
    [InlineData("u3", "u1", false)]
    public async Task Rebuilt_from_the_journal_the_views_are_what_they_were(string target, string source, bool areTablesLost)
    {
        await using var pipeline = await StartAsync();
        var merge = Guid.NewGuid();
        await SettleAsync(
            pipeline,
            Identify("u1", new { email = "ada@acme.com", plan = "pro" }),
            Identify("u2", new { email = "bob@acme.com" }),
            Identify("u3", new { email = "cy@beta.io" }),
            Event("u1", "report", -1),
            Event("visitor", "report", -1));
        await SettleAsync(pipeline, Event("u2", "report", -2, null, "beta"));
        await SettleAsync(pipeline, Merge(target, source, merge));
        await PinAsync(pipeline, "persons/u1", "customer", "eve");
        await PinAsync(pipeline, "accounts/acme.com", "customer", "eve");
        pipeline.Clock.Advance(TimeSpan.FromMinutes(1));
        await PinAsync(pipeline, "persons/u1", null, "bob");
        await PinAsync(pipeline, "accounts/acme.com", null, "bob");
        string[] paths =
        [
            "contacts", "contacts?sort=name&search=acme", "accounts", "contacts/u1", "contacts/u2", "accounts/acme.com",
            "accounts/beta.io", "stages",
        ];
        var before = await ReadAsync(pipeline, paths);
        if (areTablesLost)
        {
            await pipeline.Database.WriteAsync(session => Lose.Sum(statement => session.Execute(statement)));
        }

        await pipeline.RestartAsync(() => RebuildAsync(pipeline, "3 persons and 3 accounts are in the views"));
        Assert.Equal(before, await ReadAsync(pipeline, paths));
    }

    [Fact]
    public async Task So_they_are_after_a_split_although_a_contact_moved_on_before_it_was_told()
    {
        await using var pipeline = await StartAsync();
        var merge = Guid.NewGuid();
        await SettleAsync(
            pipeline,
            Identify("u1", new { email = "ada@acme.com" }),
            Identify("u2", new { email = "bob@beta.io" }));
        await SettleAsync(pipeline, Merge("u1", "u2", merge));
        var system = pipeline.Services.GetRequiredService<ActorSystem>();
        var people = ActorRegistry.For(system).Get<PeopleRegion>();
        var times = 0;
        Func<Task> happen = () => ++times > 1
            ? Task.CompletedTask
            : SettleAsync(pipeline, Event("u2", "bought", 0, new { plan = "pro" }));
        var between = system.ActorOf(Props.Create(() => new Between(people, happen)));
        await pipeline.Services.GetRequiredService<MergeUndo>()
            .UndoAsync(between, new PersonId(PipelineHarness.Connection, "u1"), merge, CancellationToken.None);
        await pipeline.ViewsSettledAsync();
        string[] paths = ["contacts", "contacts/u1", "contacts/u2", "stages"];
        var before = await ReadAsync(pipeline, paths);
        var contacts = (await JsonAsync(pipeline, "stages")).GetProperty("contacts").EnumerateArray();
        Assert.All(contacts.Where(stage => Text(stage, "stage") is { Length: > 0 }), stage => Assert.Equal(
            stage.GetProperty("count").GetInt64(),
            stage.GetProperty("entered").GetInt64() - stage.GetProperty("left").GetInt64()));

        await pipeline.RestartAsync(() => RebuildAsync(pipeline, "2 persons and 2 accounts are in the views"));

        Assert.Equal(before, await ReadAsync(pipeline, paths));
    }

    [Fact]
    public async Task Who_was_pinned_comes_back_by_a_split_on_that_day_and_by_nobody()
    {
        await using var pipeline = await StartAsync();
        var merge = Guid.NewGuid();
        await SettleAsync(
            pipeline,
            Identify("u1", new { email = "ada@acme.com", plan = "pro" }),
            Identify("u2", new { email = "bob@beta.io" }));
        await PinAsync(pipeline, "persons/u2", "lead", "eve");
        await SettleAsync(pipeline, Merge("u1", "u2", merge));
        pipeline.Clock.Advance(TimeSpan.FromDays(40));
        using var split = await pipeline.ApiAsync(HttpMethod.Post, "persons/u1/split", new { @event = merge });
        Assert.Equal(HttpStatusCode.OK, split.StatusCode);
        await pipeline.ViewsSettledAsync();

        var last = (await JsonAsync(pipeline, "contacts/u2")).GetProperty("moves").EnumerateArray().Last();
        var ago = pipeline.Clock.GetUtcNow() - last.GetProperty("at").GetDateTimeOffset();
        Assert.Equal(("lead", null, 0), (Text(last, "to"), Text(last, "by"), (int)ago.TotalSeconds));
        var stages = $"stages?from={pipeline.Clock.GetUtcNow().AddDays(-60):yyyy-MM-dd}";
        foreach (var stage in (await JsonAsync(pipeline, stages)).GetProperty("contacts").EnumerateArray())
        {
            Assert.True(
                Text(stage, "stage") is null or "" || stage.GetProperty("count").GetInt64()
                    == stage.GetProperty("entered").GetInt64() - stage.GetProperty("left").GetInt64(),
                stage.ToString());
        }

        string[] paths = ["contacts", "contacts/u1", "contacts/u2", stages];
        var before = await ReadAsync(pipeline, paths);
        await pipeline.RestartAsync(() => RebuildAsync(pipeline, "2 persons and 2 accounts are in the views"));
        Assert.Equal(before, await ReadAsync(pipeline, paths));
    }

    [Fact]
    public async Task A_rebuild_takes_longer_than_statements_of_a_running_pipeline_may()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            DryRun: true,
            Store: StoreKind.Postgres,
            Hocon: """variance.postgres { statement-timeout = "00:00:02", lock-timeout = "00:00:02" }"""));
        await SettleAsync(pipeline, Identify("u1", new { email = "ada@acme.com" }));
        await pipeline.Database.WriteAsync(session => session.Execute(new Statement("""
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2.5); RETURN NULL; END'
            """)) + session.Execute(new Statement(
            "CREATE TRIGGER slow BEFORE DELETE ON view_prefix FOR EACH STATEMENT EXECUTE FUNCTION wait()")));

        await pipeline.RestartAsync(() => RebuildAsync(pipeline, "1 persons and 1 accounts are in the views"));

        Assert.Equal(["u1"], await UsersAsync(pipeline, "contacts?search=ada"));
    }

    private static async Task<string[]> ReadAsync(PipelineHarness pipeline, string[] paths)
    {
        var texts = new List<string>();
        foreach (var path in paths)
        {
            texts.Add($"{path} {(await JsonAsync(pipeline, path)).GetRawText()}");
        }

        return [.. texts];
    }

    private static object Merge(string target, string source, Guid uuid) => new
    {
        @event = "$merge_dangerously",
        distinct_id = target,
        uuid,
        properties = new { alias = source },
    };

    private static async Task RebuildAsync(PipelineHarness pipeline, string said)
    {
        var config = Path.Combine(pipeline.DataDirectory, "rebuild.conf");
        await File.WriteAllTextAsync(config, pipeline.ConfigurationText);
        using var output = new StringWriter();
        Assert.Equal(0, await VarianceCommand.RunAsync(["views", "rebuild", "--config", config], output, output));
        Assert.Equal(said, output.ToString().Trim());
    }

    private static Task<PipelineHarness> StartAsync() =>
        PipelineHarness.StartAsync(new HarnessOptions(DryRun: true, Hocon: Stages));

    private static async Task SettleAsync(PipelineHarness pipeline, params object[] events)
    {
        await pipeline.CaptureAsync(events);
        await pipeline.ViewsSettledAsync();
    }

    private static async Task PinAsync(PipelineHarness pipeline, string whose, string? stage, string by)
    {
        using var pinned = await pipeline.ApiAsync(HttpMethod.Post, $"{whose}/stage", new { stage, by });
        Assert.True(pinned.IsSuccessStatusCode, await pinned.Content.ReadAsStringAsync());
        await pipeline.ViewsSettledAsync();
    }

    private static object Identify(string id, object set, string? from = null) => new
    {
        @event = "$identify",
        distinct_id = id,
        properties = new Dictionary<string, object?> { ["$set"] = set, ["$anon_distinct_id"] = from ?? $"{id}-device" },
    };

    private static object Event(string id, string name, int hours, object? set = null, string? group = null) => new
    {
        @event = name,
        distinct_id = id,
        timestamp = TimeProvider.System.GetUtcNow().AddHours(hours).ToString("O"),
        properties = new Dictionary<string, object?>
        {
            ["$set"] = set,
            ["$groups"] = group is null ? null : new { company = group },
        },
    };

    private static DateTimeOffset At(PipelineHarness pipeline, int hours) =>
        pipeline.Clock.GetUtcNow().AddHours(hours).AddMinutes(-1);

    private static async Task<JsonElement> JsonAsync(PipelineHarness pipeline, string path)
    {
        using var answer = await pipeline.ApiAsync(path);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    private static async Task<string[]> UsersAsync(PipelineHarness pipeline, string path) =>
        await ItemsAsync(pipeline, path, "user_id");

    private static async Task<string[]> IdsAsync(PipelineHarness pipeline, string path) =>
        await ItemsAsync(pipeline, path, "id");

    private static async Task<string[]> ItemsAsync(PipelineHarness pipeline, string path, string name) =>
    [
        .. (await JsonAsync(pipeline, path)).GetProperty("items").EnumerateArray()
            .Select(item => item.GetProperty(name).GetString()!),
    ];

    private static async Task<string[]> PagedAsync(PipelineHarness pipeline, string path)
    {
        var users = new List<string>();
        var after = "";
        do
        {
            var page = await JsonAsync(pipeline, path + after);
            users.AddRange(page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("user_id").GetString()!));
            after = page.GetProperty("next").GetString() is { } next ? $"&after={next}" : "";
        }
        while (after.Length > 0);
        return [.. users];
    }

    private static async Task<long> EventsAsync(PipelineHarness pipeline, string id) =>
        (await JsonAsync(pipeline, $"contacts/{id}")).GetProperty("activity").EnumerateArray()
        .Sum(day => day.GetProperty("events").GetInt64());

    private static string? Text(JsonElement json, string name) => json.GetProperty(name).GetString();

    private static IEnumerable<string> Texts(JsonElement texts) => texts.EnumerateArray().Select(text => text.GetString()!);

    /// <summary>Lets something happen after a pin is recorded and before anybody is told.</summary>
    private sealed class Between : ReceiveActor
    {
        public Between(IActorRef people, Func<Task> happen)
        {
            ReceiveAsync<TellAccount>(async tell =>
            {
                await happen();
                people.Forward(tell);
            });
            ReceiveAny(people.Forward);
        }
    }
}
