using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Mapping;

public sealed class MappingLawTests
{
    private const string Token = "phc_secret";

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };
    private static readonly Config Cases = Config.QuickThrowOnFailure.WithMaxTest(2000);

    private static readonly Gen<string> Names = Gen.Elements(
        "a", "b", "a.b", "a[0].b", "a[3]", "['q.r']", "", ".", "[", "[]", "0", "1", "length", "__proto__",
        "constructor.x", "token", "api_key", "distinct_id", "$os", "$set", "$groups", "$group_type", "$group_key",
        "$group_set", "$current_url", "$device_id", "$anon_distinct_id", "$user_id", "alias", "name",
        "posthog_version", "ünï☃", "quote\"back\\slash", "\u0001\u2028");

    private static readonly Gen<string> Scalars = Gen.Elements(
        "null", "true", "false", "0", "-0", "1.0", "1e400", "-1E-400",
        "123456789012345678901234567890", "\"\"", "\"x\"", "\"3\"",
        "\"https://acme.test/?q='\\\"\"", "\"\\u0000\\n\\uD83D\\uDE00\"", $"\"{Token}\"");

    private static readonly Gen<string> EventNames = Gen.Elements(
        "$identify", "$set", "$create_alias", "$groupidentify", "$pageview", "$screen", "$pageleave",
        "order completed", "", "a\"b\\");

    private static readonly Arbitrary<CaptureEvent> Events = (
        from name in EventNames
        from distinctId in Gen.Elements("user-1", "anon \"1\"", "")
        from properties in Gen.Frequency((9, Objects(3)), (1, Values(2)))
        from set in Values(2)
        from door in Gen.Elements(Door.Capture, Door.Webhook)
        select Event(name, distinctId, properties, set, door)).ToArbitrary();

    [Fact]
    public void Whatever_an_event_holds_the_messages_are_valid_JSON_of_their_kind() =>
        Prop.ForAll(Events, captured =>
        {
            foreach (var message in Both(captured, "user-1"))
            {
                using var body = JsonDocument.Parse(message.Body, Strict);
                string expected = message.Kind.ToString().ToLowerInvariant();
                Assert.Equal(expected, body.RootElement.GetProperty("type").GetString());
            }
        }).Check(Cases);

    [Fact]
    public void Nobody_unidentified_ever_gets_a_user_id() =>
        Prop.ForAll(Events, captured =>
        {
            foreach (var message in Contacts(captured, userId: null))
                Assert.False(JsonNode.Parse(message.Body.Span)!.AsObject().ContainsKey("userId"));
        }).Check(Cases);

    [Fact]
    public void The_projects_token_never_appears_in_properties_or_traits() =>
        Prop.ForAll(Events, captured =>
        {
            foreach (var message in Contacts(captured, "user-1"))
            {
                var body = JsonNode.Parse(message.Body.Span)!.AsObject();
                if (message.Kind is MessageKind.Alias or MessageKind.Page)
                    continue;
                string named = (body["properties"] ?? body["traits"])!.ToJsonString();
                Assert.DoesNotContain(Token, named, StringComparison.Ordinal);
            }
        }).Check(Cases);

    [Fact]
    public void The_same_event_becomes_the_same_bytes() =>
        Prop.ForAll(Events, captured =>
        {
            var again = Both(captured, "user-1").Select(message => Encoding.UTF8.GetString(message.Body.Span));
            Assert.Equal(Both(captured, "user-1").Select(message => Encoding.UTF8.GetString(message.Body.Span)), again);
        }).Check(Config.QuickThrowOnFailure);

    private static IEnumerable<OutboundMessage> Both(CaptureEvent captured, string userId) =>
        PluginMapping.Map(captured).Messages.Concat(Contacts(captured, userId));

    private static ImmutableArray<OutboundMessage> Contacts(CaptureEvent captured, string? userId) =>
        ContactsMapping.Map(
            captured,
            MappingPersons.Of(["anon-1"], userId, ("email", "\"a@b.test\""), ("n", "1e400"), ("key", $"\"{Token}\"")),
            new EventChange(true, ["anon-0"]),
            null,
            new MappingOptions { GroupType = "" }).Messages;

    private static CaptureEvent Event(string name, string distinctId, string properties, string set, Door door)
    {
        string json = $$"""
            {"uuid":"{{MappingEvents.Uuid}}","event":{{JsonSerializer.Serialize(name)}},"timestamp":"2026-03-01",
             "distinct_id":{{JsonSerializer.Serialize(distinctId)}},"properties":{{properties}},"$set":{{set}}}
            """;
        return new CaptureEvent(
            MappingEvents.Uuid, name, distinctId, MappingEvents.Noon, MappingEvents.Noon, door, CaptureNotes.None, 0,
            Encoding.UTF8.GetBytes(json));
    }

    private static Gen<string> Values(int depth) => depth == 0
        ? Scalars
        : Gen.Frequency(
            (4, Scalars),
            (2, Objects(depth - 1)),
            (1, from items in Gen.ListOf(Values(depth - 1), 3) select "[" + string.Join(',', items) + "]"));

    private static Gen<string> Objects(int depth) =>
        from count in Gen.Choose(0, 8)
        from names in Gen.ListOf(Names, count)
        from values in Gen.ListOf(Values(depth), count)
        select "{" + string.Join(',', names.Select(JsonEncode).Zip(values, (name, value) => name + ":" + value)) + "}";

    private static string JsonEncode(string name) => JsonSerializer.Serialize(name);
}
