using System.Text;
using VarianceActors.Pipeline.Erasures;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Erasures;

public sealed class ErasedMessagesTests
{
    [Theory]
    [InlineData("""{"anonymousId":"ada","userId":"bob"}""", """{"userId":"bob"}""")]
    [InlineData("""{"userId":"bob","anonymousId":"\u0061da"}""", """{"userId":"bob"}""")]
    [InlineData("""{"userId":"bob","anonymousId":42,"traits":{"é":1.50}}""", """{"userId":"bob","traits":{"é":1.50}}""")]
    public void The_visitor_leaves_the_message_of_somebody_else(string body, string expected) =>
        Assert.Equal(
            expected,
            Encoding.UTF8.GetString(ErasedMessages.WithoutVisitor(
                Encoding.UTF8.GetBytes(body), id => id is "ada" or "42")!));

    [Theory]
    [InlineData("""{"type":"ada","userId":"bob","anonymousId":"phone","groupId":"ada"}""")]
    [InlineData("""{"userId":"bob","traits":{"anonymousId":"ada","invited_by":"ada","ada":1}}""")]
    [InlineData("{}")]
    public void All_other_words_stay(string body) =>
        Assert.Null(ErasedMessages.WithoutVisitor(Encoding.UTF8.GetBytes(body), id => id is "ada"));
}
