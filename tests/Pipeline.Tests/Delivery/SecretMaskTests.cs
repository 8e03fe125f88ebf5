using System.Text;
using VarianceActors.Pipeline.Delivery;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>What is kept of an answer that repeats what it was sent.</summary>
public sealed class SecretMaskTests
{
    private const string Key = "d3Jp/dGU+a2V5Og==";
    private const string Secret = "whsec_bW9yZSB0aGFuIGVub3VnaA==";

    [Theory]
    [InlineData($"Authorization: Basic {Key}\n", "Authorization: ***\n")]
    [InlineData($"key {Key}{Key}", "key ******")]
    [InlineData("""{"a":"Basic d3Jp\/dGU+a2V5Og=="}""", """{"a":"***"}""")]
    [InlineData("""{"a":"d3Jp/dGU\u002Ba2V5Og=="}""", """{"a":"***"}""")]
    [InlineData($"signed with {Secret}", "signed with ***")]
    [InlineData("signed with bW9yZSB0aGFuIGVub3VnaA==", "signed with ***")]
    [InlineData("x-api-key: 0123456789, x-zone: eu", "x-api-key: ***, x-zone: eu")]
    [InlineData("nothing of it: Basic d3Jp", "nothing of it: Basic d3Jp")]
    public void Secrets_are_not_kept(string answer, string kept) => Assert.Equal(kept, Apply(answer, 4096));

    [Theory]
    [InlineData("no such user: writer:s3cr3t", "no such user: ***")]
    [InlineData("wrong password s3cr3t", "wrong password ***")]
    [InlineData("Cannot POST /hooks/T0KEN?key=1", "Cannot POST ***")]
    [InlineData("Cannot POST /hooks/T0KEN", "Cannot POST ***")]
    public void Nor_what_stands_behind_Base64_or_in_the_address(string answer, string kept)
    {
        var connection = PostHeadersTests.Connection(SignatureForm.Standard, Secret);
        connection.Authorization = $"Basic {Convert.ToBase64String("writer:s3cr3t"u8)}";
        connection.Url = "https://host/hooks/T0KEN?key=1";

        Assert.Equal(kept, Encoding.UTF8.GetString(new SecretMask(connection).Apply(Encoding.UTF8.GetBytes(answer), 4096).Span));
    }

    [Fact]
    public void A_secret_at_the_end_of_what_is_kept_is_not_kept_in_part()
    {
        var answer = $"{Key} {new string('x', 20)}{Key}";
        for (var bytes = 1; bytes < answer.Length; bytes++)
        {
            var kept = Apply(answer, bytes);
            Assert.True(kept.Length <= bytes, kept);
            Assert.DoesNotContain("d", kept, StringComparison.Ordinal);
        }
    }

    private static string Apply(string answer, int bytesMax)
    {
        var connection = PostHeadersTests.Connection(SignatureForm.Standard, Secret);
        connection.Authorization = $"Basic {Key}";
        connection.Headers = ["X-Api-Key: 0123456789", "X-Zone: eu"];
        var mask = new SecretMask(connection);
        var read = Encoding.UTF8.GetBytes(answer);
        return Encoding.UTF8.GetString(
            mask.Apply(read.AsSpan(0, Math.Min(read.Length, bytesMax + mask.BytesMax)), bytesMax).Span);
    }
}
