using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.Erasures;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Erasures;

public sealed class ErasedTextTests
{
    private static readonly Dictionary<string, string> StandIns = new() { ["ada@x.example"] = "gone", ["a\"b"] = "also" };

    [Theory]
    [InlineData("""{"id":"ada@x.example"}""", """{"id":"gone"}""")]
    [InlineData("""{"id":"\u0061da@x.example","n":1.50}""", """{"id":"gone","n":1.50}""")]
    [InlineData("""{"ada@x.example":{"k":[null,true,"a\"b"]}}""", """{"gone":{"k":[null,true,"also"]}}""")]
    [InlineData("""{"d":"{\"x\":\"ada@x.example\"}"}""", """{"d":"{\"x\":\"gone\"}"}""")]
    public void An_id_is_replaced_wherever_and_however_it_stands(string json, string expected) =>
        Assert.Equal(
            JsonSerializer.Serialize(JsonDocument.Parse(expected)),
            JsonSerializer.Serialize(JsonDocument.Parse(ErasedText.Replace(Encoding.UTF8.GetBytes(json), StandIns)!)));

    [Theory]
    [InlineData("""{"id":"ada@x.example.org","other":"bada@x.example"}""")]
    [InlineData("""{"text":"write to ada@x.example","broken":"{ada@x.example"}""")]
    [InlineData("{}")]
    public void What_names_no_id_stays_as_it_is(string json) =>
        Assert.Null(ErasedText.Replace(Encoding.UTF8.GetBytes(json), StandIns));

    [Fact]
    public void Numbers_keep_their_spelling()
    {
        var json = """{"id":"ada@x.example","a":1e2,"b":12345678901234567890.10}"""u8;
        Assert.Contains("1e2,\"b\":12345678901234567890.10", Encoding.UTF8.GetString(ErasedText.Replace(json, StandIns)!));
    }
}
