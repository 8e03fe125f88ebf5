using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class CaptureTokenTests
{
    private const string Missing = "The project token is missing. Send it as api_key of the batch, or as token of every event.";
    private const string Mixed = "The events name different project tokens. Send one request per project.";

    [Theory]
    [InlineData("""{"api_key":"t","batch":[{"event":"e","distinct_id":"d","token":"other"}]}""", "t")]
    [InlineData("""{"token":"t","batch":[{"event":"e","distinct_id":"d"}]}""", "t")]
    [InlineData("""{"batch":[{"event":"e","distinct_id":"d","token":"t"}]}""", "t")]
    [InlineData("""[{"event":"e","distinct_id":"d","$token":"t"}]""", "t")]
    [InlineData("""[{"event":"e","distinct_id":"d","api_key":"t"}]""", "t")]
    [InlineData("""[{"event":"e","distinct_id":"d","properties":{"token":"t"}}]""", "t")]
    [InlineData("""[{"event":"e","distinct_id":"d","token":"t","properties":{"token":"p"}}]""", "t")]
    [InlineData("""[{"event":"e","distinct_id":"d"},{"event":"e","distinct_id":"d","token":"t"}]""", "t")]
    [InlineData("""[{"event":"e","distinct_id":"d","token":"t"},{"event":"e","distinct_id":"d","token":"\u0074"}]""", "t")]
    [InlineData("""{"event":"e","distinct_id":"d","token":" \tphc_1\r\n"}""", "phc_1")]
    [InlineData("""{"event":"e","distinct_id":"d","token":"0123456789012345678901234567890123456789012345678901234567890123"}""", "0123456789012345678901234567890123456789012345678901234567890123")]
    public void The_token_is_found(string json, string token) =>
        Assert.Equal(token, ((CaptureDecoding.Accepted)Requests.Decode(Requests.Request(json))).Token);

    [Theory]
    [InlineData("""{"event":"e","distinct_id":"d"}""", Missing)]
    [InlineData("""[{"event":"e","distinct_id":"d"},{"event":"e","distinct_id":"d","properties":{"token":7}}]""", Missing)]
    [InlineData("""[{"event":"e","distinct_id":"d","token":"t"},{"event":"e","distinct_id":"d","token":"u"}]""", Mixed)]
    [InlineData("""[{"event":"e","distinct_id":"d","token":"t"},{"event":"e","distinct_id":"d","properties":{"token":"u"}}]""", Mixed)]
    [InlineData("""{"batch":[{"event":"e","distinct_id":"d","token":"t"}],"api_key":""}""", "The project token is empty. Send the token of your project.")]
    [InlineData("""{"event":"e","distinct_id":"d","token":"  "}""", "The project token is empty. Send the token of your project.")]
    [InlineData("""{"event":"e","distinct_id":"d","token":"01234567890123456789012345678901234567890123456789012345678901234"}""", "The project token is longer than 64 characters.")]
    [InlineData("""{"event":"e","distinct_id":"d","token":"ü"}""", "The project token holds characters that are not ASCII.")]
    [InlineData("""{"event":"e","distinct_id":"d","token":"a\u0000b"}""", "The project token holds a NUL character.")]
    [InlineData("""{"event":"e","distinct_id":"d","token":"phx_secret"}""", "This is a personal API key (phx_). Send the project token; and revoke the key, for it has left its owner.")]
    public void A_bad_token_is_refused(string json, string reason) =>
        Assert.Equal(new Refusal(401, reason), Requests.Refused(json));
}
