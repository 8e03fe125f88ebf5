using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.Erasures;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Erasures;

public sealed class ErasedTextTests
{
    private static readonly Dictionary<string, string> StandIns = new() { ["ada@x.example"] = "gone", ["a\"b"] = "al\"so" };

    // Wherever these stand in a golden file they are ids or uuids of persons, but for the places that the tests name.
    private static readonly HashSet<string> Persons =
        ["acc-1", "dév ☃-1", "old", "y", "0198c2a0-0000-7000-8000-0000000000a1", "94a8e0ee-704a-5375-87f8-daa85b531020"];

    [Theory]
    [InlineData("""{"userId":"ada@x.example"}""", """{"userId":"gone"}""")]
    [InlineData("""{"userId":"\u0061da@x.example", "n":1.50}""", """{"userId":"gone", "n":1.50}""")]
    [InlineData("""{"ids":["ada@x.example",null,"a\"b","x"]}""", """{"ids":["gone",null,"al\"so","x"]}""")]
    [InlineData("""{"a":[{"id":{"distinctId":"ada@x.example"}}]}""", """{"a":[{"id":{"distinctId":"gone"}}]}""")]
    [InlineData("""{"refused":{"ada@x.example":{"at":1e2}}}""", """{"refused":{"gone":{"at":1e2}}}""")]
    [InlineData("""{"members":{"set":{"userId":"ada@x.example"}}}""", """{"members":{"set":{"userId":"gone"}}}""")]
    [InlineData(
        """{"kept":[{"joined":["ada@x.example"],"ended":{"person":"a\"b","key":"a\"b"}}]}""",
        """{"kept":[{"joined":["gone"],"ended":{"person":"al\"so","key":"a\"b"}}]}""")]
    [InlineData(
        """{"details":"{\"otherDistinctId\":\"ada@x.example\",\"distinctId\":\"y\"}"}""",
        """{"details":"{\"otherDistinctId\":\"gone\",\"distinctId\":\"y\"}"}""")]
    public void An_id_is_replaced_where_it_stands_for_a_person(string json, string expected) =>
        Assert.Equal(expected, Encoding.UTF8.GetString(ErasedText.Replace(Encoding.UTF8.GetBytes(json), StandIns)!));

    [Theory]
    [InlineData("""{"distinctId":"ada@x.example.org","userId":"bada@x.example"}""")]
    [InlineData("""{"key":"ada@x.example","connectionId":"ada@x.example","ada@x.example":1}""")]
    [InlineData("""{"update":{"set":{"userId":"ada@x.example","ada@x.example":1}}}""")]
    [InlineData("""{"profile":{"properties":{"ids":["ada@x.example"]}},"traits":{"distinctId":"ada@x.example"}}""")]
    [InlineData("""{"set":{"userId":"ada@x.example"},"parts":{"members":{"ada@x.example":1}}}""")]
    [InlineData("{}")]
    public void What_is_no_id_of_a_person_stays_as_it_is(string json) =>
        Assert.Null(ErasedText.Replace(Encoding.UTF8.GetBytes(json), StandIns));

    [Fact]
    public void No_other_word_of_a_fact_is_taken_for_an_id()
    {
        foreach (var (name, golden) in Facts())
        {
            var words = new HashSet<string>();
            CollectWords(JsonDocument.Parse(golden).RootElement, words);
            words.ExceptWith(Persons);
            words.Remove("x"); // an id in people's, a property in accounts'
            Assert.True(ErasedText.Replace(golden, words.ToDictionary(word => word, _ => "gone")) is null, name);
        }
    }

    [Fact]
    public void No_distinct_id_is_left_in_a_fact()
    {
        foreach (var (name, golden) in Facts())
        {
            var replaced = ErasedText.Replace(golden, Persons.ToDictionary(id => id, _ => "gone")) ?? golden;
            var words = new HashSet<string>();
            CollectWords(JsonDocument.Parse(replaced).RootElement, words);
            Assert.DoesNotContain("acc-1", words);
            Assert.DoesNotContain("old", words);
            Assert.DoesNotContain("y", words);
            Assert.True(!words.Contains("dév ☃-1"), name);
        }
    }

    [Theory]
    [InlineData("account.member-seen.v1")]
    [InlineData("account.member-erased.v1")]
    public void No_uuid_of_a_member_is_left_in_a_fact(string name) =>
        Assert.DoesNotContain(
            "0000000000a1",
            Encoding.UTF8.GetString(ErasedText.Replace(
                File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Accounts", "Golden", $"{name}.json")),
                Persons.ToDictionary(id => id, _ => "gone"))!),
            StringComparison.Ordinal);

    private static IEnumerable<(string Name, byte[] Json)> Facts()
    {
        string[] facts =
        [
            "person.absorb-refused", "person.absorbed", "person.account-redirected", "person.event-applied", "person.linked",
            "person.merge-asked", "person.merge-ended", "person.rewritten", "person.sealed", "person.split",
            "person.stage-pinned", "person.state", "person.unsealed", "person.window-ended",
            "account.group-seen", "account.member-erased", "account.member-seen", "account.merged-into", "account.name-given",
            "account.part-seen", "account.stage-moved", "account.state",
        ];
        foreach (var fact in facts)
        {
            var family = fact.StartsWith("person", StringComparison.Ordinal) ? "People" : "Accounts";
            yield return (
                fact,
                File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, family, "Golden", $"{fact}.v1.json")));
        }
    }

    private static void CollectWords(JsonElement json, HashSet<string> words)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in json.EnumerateObject())
                {
                    words.Add(property.Name);
                    if (property.Name == "details")
                    {
                        CollectWords(JsonDocument.Parse(property.Value.GetString()!).RootElement, words);
                        continue;
                    }

                    CollectWords(property.Value, words);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in json.EnumerateArray())
                {
                    CollectWords(item, words);
                }

                break;
            case JsonValueKind.String:
                words.Add(json.GetString()!);
                break;
        }
    }
}
