using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using Xunit;
using JsonValue = VarianceActors.Pipeline.People.JsonValue;

namespace VarianceActors.Pipeline.Tests.Mapping;

public sealed class ContactsMappingTests
{
    private static readonly MappingOptions Defaults = new();
    private static readonly EventChange Changed = new(true, []);

    private static readonly AccountSnapshot Acme = new(
        "acme", "Acme Inc", "trial", ["acme.test"], ImmutableDictionary<string, JsonValue>.Empty
            .Add("plan", new JsonValue("\"pro\""))
            .Add("name", new JsonValue("\"old name\""))
            .Add("$x", new JsonValue("1")));

    [Fact]
    public void An_event_of_an_unidentified_person_has_an_anonymous_id_and_no_user_id()
    {
        var captured = MappingEvents.Captured("order completed", "anon-1", """{"seats":3}""");
        var message = Only(Map(captured, Anonymous("anon-1")));

        Assert.Equal("track", Text(message, "type"));
        Assert.Equal("anon-1", Text(message, "anonymousId"));
        Assert.False(message.ContainsKey("userId"));
        Assert.Equal("""{"seats":3}""", message["properties"]!.ToJsonString());
        Assert.Equal(MappingEvents.Uuid.ToString(), Text(message, "messageId"));
        Assert.Equal("2026-03-01T12:00:00.250Z", Text(message, "timestamp"));
    }

    [Theory]
    [InlineData("""{"$anon_distinct_id":"a","$device_id":"d","distinct_id":"p"}""", "a")]
    [InlineData("""{"$anon_distinct_id":"","$device_id":"d","distinct_id":"p"}""", "d")]
    [InlineData("""{"$device_id":{"x":1},"distinct_id":"p"}""", "p")]
    [InlineData("""{}""", "id-1")]
    public void The_anonymous_id_follows_the_originals_rule_and_ends_at_the_distinct_id(
        string properties, string expected)
    {
        var message = Only(Map(MappingEvents.Captured("e", "id-1", properties), Anonymous("id-1")));

        Assert.Equal(expected, Text(message, "anonymousId"));
    }

    [Fact]
    public void A_personless_event_goes_out_under_its_distinct_id()
    {
        var message = Only(Map(MappingEvents.Captured("e", "visitor", """{"$device_id":"d"}"""), person: null));

        Assert.Equal("visitor", Text(message, "anonymousId"));
        Assert.False(message.ContainsKey("userId"));
    }

    [Fact]
    public void What_was_taken_away_is_sent_as_null_unless_the_person_has_it_by_then()
    {
        var change = Changed with { Removed = ["plan", "city", "company"] };

        var message = Only(Map(
            MappingEvents.Captured("$set", "u-1", "{}"), Contact("u-1", ("city", "\"Oslo\"")), change, Acme));

        var traits = message["traits"]!.AsObject();
        Assert.True(traits.ContainsKey("plan"));
        Assert.Null(traits["plan"]);
        Assert.Equal("Oslo", traits["city"]!.GetValue<string>());
        Assert.Equal("acme", traits["company"]!["id"]!.GetValue<string>());
    }

    [Fact]
    public void A_stage_is_said_once_though_a_property_of_that_name_was_taken_away()
    {
        var contact = Contact("u-1") with
        {
            Contact = ContactState.Unseen with
            {
                Turn = new ContactTurn(null, new StagePlace("won", MappingEvents.Noon, "rule", null), 0, 0, 0, null, null),
            },
        };

        var outcome = Map(MappingEvents.Captured("$set", "u-1", "{}"), contact, Changed with { Removed = ["stage"] });

        using var body = JsonDocument.Parse(Assert.Single(outcome.Messages).Body);
        Assert.Equal("won", Assert.Single(body.RootElement.GetProperty("traits").EnumerateObject()).Value.GetString());
    }

    [Theory]
    [InlineData("$set", "visitor")]
    [InlineData("$set", null)]
    [InlineData("$identify", null)]
    public void What_a_personless_event_says_of_its_person_is_not_sent(string name, string? known)
    {
        var captured = MappingEvents.Captured(
            name, "visitor", """{"$process_person_profile":false,"$set":{"email":"eve@acme.test"}}""");

        var outcome = Map(captured, known is null ? null : Anonymous(known));

        Assert.Empty(outcome.Messages);
        Assert.Equal(FilterReasons.NothingNew, outcome.Reason);
    }

    [Fact]
    public void An_event_that_names_nobody_is_filtered()
    {
        var webhook = MappingEvents.Webhook("""{"uuid":"u","event":"e","timestamp":"t","properties":{}}""");

        Assert.Equal(FilterReasons.NoDistinctId, Map(webhook, person: null).Reason);
    }

    [Fact]
    public void A_contacts_event_carries_the_user_id_whatever_distinct_id_it_came_through()
    {
        var message = Only(Map(
            MappingEvents.Captured("e", "old-id", """{"$device_id":"dev","distinct_id":"old-id"}"""),
            Contact("user-1")));

        Assert.Equal("user-1", Text(message, "userId"));
        Assert.Equal("dev", Text(message, "anonymousId"));
    }

    [Fact]
    public void An_anonymous_id_that_only_repeats_the_user_id_is_left_out() =>
        Assert.False(Only(Map(MappingEvents.Captured("e", "user-1", """{"distinct_id":"user-1"}"""), Contact("user-1")))
            .ContainsKey("anonymousId"));

    [Fact]
    public void Aliases_come_first_one_for_each_id_given_up_then_the_merged_traits_then_the_event()
    {
        var person = Contact(
            "user-1", ("email", "\"a@acme.test\""), ("name", "\"Ann\""), ("$geoip", "1"), ("seats", "1e2"));
        var messages = Bodies(Map(
            MappingEvents.Captured("signed up", "user-1"),
            person,
            new EventChange(true, ["anon-1", "user-1", "user-0"])));

        Assert.Equal(["alias", "alias", "identify", "track"], messages.Select(message => Text(message, "type")));
        Assert.Equal(["anon-1", "user-0"], messages.Take(2).Select(message => Text(message, "previousId")));
        Assert.All(messages, message => Assert.Equal("user-1", Text(message, "userId")));
        var expected = JsonNode.Parse("""{"email":"a@acme.test","name":"Ann","seats":100}""");
        Assert.True(JsonNode.DeepEquals(expected, messages[2]["traits"]));
        Assert.All(
            messages,
            message => Assert.Equal("a@acme.test", message["context"]!["traits"]!["email"]!.GetValue<string>()));
        Assert.Equal(4, messages.Select(message => Text(message, "messageId")).Distinct().Count());
        Assert.Equal(MappingEvents.Uuid.ToString(), Text(messages[3], "messageId"));
    }

    [Fact]
    public void Derived_messages_have_the_same_id_every_time()
    {
        var captured = MappingEvents.Captured("e", "user-1");
        var change = new EventChange(true, ["anon-1"]);

        var outcome = Map(captured, Contact("user-1"), change);
        Assert.Equal(Ids(outcome), Ids(Map(captured, Contact("user-1"), change)));
        Assert.Equal(UuidV5.Create(MappingEvents.Uuid, "identify").ToString(), outcome.Messages[1].MessageId);

        static IEnumerable<string> Ids(MappingOutcome mapped) => mapped.Messages.Select(message => message.MessageId);
    }

    [Theory]
    [InlineData("$identify")]
    [InlineData("$set")]
    public void Identify_is_the_main_message_of_an_event_that_is_about_the_person(string name)
    {
        var outcome = Map(MappingEvents.Captured(name, "user-1"), Contact("user-1", ("plan", "\"pro\"")), Changed);

        Assert.Equal(MessageKind.Identify, outcome.Messages.Single().Kind);
        Assert.Equal(MappingEvents.Uuid.ToString(), outcome.Messages.Single().MessageId);
        Assert.Equal("""{"plan":"pro"}""", Only(outcome)["traits"]!.ToJsonString());
    }

    [Fact]
    public void Changed_traits_of_somebody_unidentified_are_no_reason_for_a_contact()
    {
        var outcome = Map(
            MappingEvents.Captured("$pageview", "anon-1"), Anonymous("anon-1"), new EventChange(true, ["anon-0"]));

        Assert.Equal([MessageKind.Page], outcome.Messages.Select(message => message.Kind));
    }

    [Fact]
    public void A_page_view_is_a_page_with_the_originals_fields_and_context()
    {
        var message = Only(Map(
            MappingEvents.Captured(
                "$pageview",
                "user-1",
                """
                {"$current_url":"https://acme.test/p?q=1","$pathname":"/p","$os":"Linux","$screen_width":9,
                 "name":"Home","token":"phc_x"}
                """),
            Contact("user-1")));

        var expected = JsonNode.Parse(
            """
            {
              "type": "page", "messageId": "0198c2a0-1111-7000-8000-00000000000a",
              "timestamp": "2026-03-01T12:00:00.250Z", "userId": "user-1", "name": "Home",
              "properties": {"path": "/p", "url": "https://acme.test/p?q=1", "search": "?q=1"},
              "context": {
                "os": {"name": "Linux"}, "page": {"path": "/p", "url": "https://acme.test/p?q=1", "search": "?q=1"},
                "screen": {"width": 9}
              }
            }
            """);
        var library = message["context"]!["library"]!;
        Assert.Equal("variance-actors", library["name"]!.GetValue<string>());
        message["context"]!.AsObject().Remove("library");
        Assert.True(JsonNode.DeepEquals(expected, message), message.ToJsonString());
    }

    [Fact]
    public void A_screen_view_is_a_screen()
    {
        var message = Only(Map(
            MappingEvents.Captured("$screen", "user-1", """{"$screen_name":"Settings","tab":"billing"}"""),
            Contact("user-1")));

        Assert.Equal("screen", Text(message, "type"));
        Assert.Equal("Settings", Text(message, "name"));
        Assert.Equal("""{"tab":"billing"}""", message["properties"]!.ToJsonString());
    }

    [Fact]
    public void Properties_carry_no_keys_of_the_project_no_ids_and_nothing_of_PostHogs_own()
    {
        const string properties =
            """
            {"token":"phc_1","api_key":"x","distinct_id":"u","$lib":"web","\u0024os":"x","a.b":1,"gone":null,
             "key":"phc_2","deep":{"k":["phx_3"]},"kept":{"token":"no secret"}}
            """;
        var message = Only(Map(MappingEvents.Captured("e", "user-1", properties), Contact("user-1")));

        Assert.Equal("""{"a.b":1,"kept":{"token":"no secret"}}""", message["properties"]!.ToJsonString());
    }

    [Theory]
    [InlineData("$pageleave", FilterReasons.UnsupportedEvent)]
    [InlineData("$create_alias", FilterReasons.NothingNew)]
    [InlineData("$merge_dangerously", FilterReasons.NothingNew)]
    public void An_event_of_PostHogs_own_is_filtered_unless_it_taught_something(string name, string reason)
    {
        var captured = MappingEvents.Captured(name, "user-1");

        Assert.Equal(reason, Map(captured, Contact("user-1")).Reason);
        Assert.Equal(
            [MessageKind.Alias, MessageKind.Identify],
            Map(captured, Contact("user-1"), new EventChange(true, ["anon-1"])).Messages.Select(sent => sent.Kind));
    }

    [Fact]
    public void A_group_call_carries_the_groups_own_properties()
    {
        var message = Only(Map(
            MappingEvents.Captured(
                "$groupidentify",
                "user-1",
                """{"$group_type":"company","$group_key":"acme","$group_set":{"plan":"pro","$x":1}}"""),
            Contact("user-1")));

        Assert.Equal("acme", Text(message, "groupId"));
        Assert.Equal("user-1", Text(message, "userId"));
        Assert.Equal("""{"plan":"pro","posthog_group_type":"company"}""", message["traits"]!.ToJsonString());
    }

    [Fact]
    public void A_group_call_of_the_known_account_carries_its_merged_traits()
    {
        var message = Only(Map(
            MappingEvents.Captured("$groupidentify", "user-1", """{"$group_type":"company","$group_key":"acme"}"""),
            Contact("user-1"),
            account: Acme));

        var expected = JsonNode.Parse(
            """
            {"plan":"pro","name":"Acme Inc","domains":["acme.test"],"stage":"trial","posthog_group_type":"company"}
            """);
        Assert.True(JsonNode.DeepEquals(expected, message["traits"]), message.ToJsonString());
        Assert.Equal("acme", Text(message["context"]!.AsObject(), "groupId"));
    }

    [Theory]
    [InlineData("""{"$group_type":"project","$group_key":"p"}""", "company", FilterReasons.OtherGroupType)]
    [InlineData("""{"$group_type":"company"}""", "company", FilterReasons.NoGroupKey)]
    [InlineData("""{"$group_type":"company","$group_key":""}""", "", FilterReasons.NoGroupKey)]
    [InlineData("""{"$group_type":"project","$group_key":7}""", "", "")]
    public void Only_groups_that_stand_for_accounts_are_sent(string properties, string groupType, string reason)
    {
        var outcome = ContactsMapping.Map(
            MappingEvents.Captured("$groupidentify", "user-1", properties),
            Contact("user-1"),
            EventChange.None,
            null,
            new MappingOptions { GroupType = groupType });

        Assert.Equal(reason, outcome.Reason);
        Assert.Equal(reason.Length > 0, outcome.Messages.IsEmpty);
    }

    [Fact]
    public void The_id_that_SDKs_invent_for_group_calls_is_never_a_user()
    {
        var captured = MappingEvents.Captured(
            "$groupidentify",
            "$company_acme",
            """{"$group_type":"company","$group_key":"acme","$group_set":{"plan":"pro"}}""");

        var messages = Bodies(Map(captured, Contact("$company_acme"), Changed));
        var message = Assert.Single(messages);
        Assert.Equal("group", Text(message, "type"));
        Assert.False(message.ContainsKey("userId"));
    }

    [Fact]
    public void A_contacts_new_account_is_told_before_the_event_and_stands_in_the_traits()
    {
        var messages = Bodies(Map(
            MappingEvents.Captured("e", "user-1"),
            Contact("user-1", ("company", "\"as typed\"")),
            new EventChange(true, []) { AccountChanged = true },
            Acme));

        Assert.Equal(["identify", "group", "track"], messages.Select(message => Text(message, "type")));
        Assert.Equal("""{"company":{"id":"acme","name":"Acme Inc"}}""", messages[0]["traits"]!.ToJsonString());
        Assert.Equal("acme", Text(messages[1], "groupId"));
    }

    [Theory]
    [InlineData(new string[0], new[] { "debug *" }, "debug click", true)]
    [InlineData(new string[0], new[] { "debug *" }, "Debug click", false)]
    [InlineData(new[] { "order *", "$pageview" }, new string[0], "signed up", true)]
    [InlineData(new[] { "order *", "$pageview" }, new string[0], "order completed", false)]
    [InlineData(new[] { "order*" }, new[] { "*completed" }, "order completed", true)]
    public void Event_names_are_allowed_and_denied_by_globs(
        string[] allowed, string[] denied, string name, bool filtered)
    {
        var options = new MappingOptions { EventsAllowed = allowed, EventsDenied = denied };

        var outcome = ContactsMapping.Map(
            MappingEvents.Captured(name, "user-1"), Contact("user-1"), EventChange.None, null, options);
        Assert.Equal(filtered ? FilterReasons.EventNotAllowed : "", outcome.Reason);
    }

    [Fact]
    public void What_a_denied_event_taught_is_sent_all_the_same()
    {
        var outcome = ContactsMapping.Map(
            MappingEvents.Captured("debug", "user-1"),
            Contact("user-1"),
            new EventChange(true, ["anon-1"]),
            null,
            new MappingOptions { EventsDenied = ["debug"] });

        Assert.Equal([MessageKind.Alias, MessageKind.Identify], outcome.Messages.Select(message => message.Kind));
    }

    [Fact]
    public void A_property_that_is_never_sent_appears_nowhere()
    {
        var outcome = ContactsMapping.Map(
            MappingEvents.Captured(
                "$pageview",
                "user-1",
                """{"$current_url":"https://secret.test/?secret","$pathname":"/p"}""",
                """
                ,"properties.$current_url":"secret","ip":"secret"
                """),
            Contact("user-1", ("salary", "\"secret\""), ("email", "\"secret\"")),
            new EventChange(true, []) { AccountChanged = true },
            Acme with { Traits = Acme.Traits.Add("salary", new JsonValue("\"secret\"")) },
            new MappingOptions { PropertiesNeverSent = ["$current_url", "salary", "email", "ip"] });

        Assert.Equal(3, outcome.Messages.Length);
        Assert.All(
            Bodies(outcome),
            message => Assert.DoesNotContain("secret", message.ToJsonString(), StringComparison.Ordinal));
    }

    private static MappingOutcome Map(
        CaptureEvent captured, PersonSnapshot? person, EventChange? change = null, AccountSnapshot? account = null) =>
        ContactsMapping.Map(captured, person, change ?? EventChange.None, account, Defaults);

    private static PersonSnapshot Anonymous(string id) => MappingPersons.Of([id], userId: null);

    private static PersonSnapshot Contact(string userId, params (string Name, string Json)[] traits) =>
        MappingPersons.Of(["anon-0", userId], userId, traits);

    private static JsonObject Only(MappingOutcome outcome) => Assert.Single(Bodies(outcome));

    private static List<JsonObject> Bodies(MappingOutcome outcome) =>
        outcome.Messages.Select(message => JsonNode.Parse(message.Body.Span)!.AsObject()).ToList();

    private static string? Text(JsonObject message, string name) => message[name]?.GetValue<string>();
}
