using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class ConnectionDirectoryTests
{
    private static readonly string Digest = ConnectionDirectory.DigestOf("secret-a");

    private readonly ConnectionDirectory _directory = new(
    [
        new ConnectionKeys("a", ["token-a", "token-a2"], [Digest, ConnectionDirectory.DigestOf("secret-a2").ToUpperInvariant()]),
        new ConnectionKeys("b", ["token-b"], [ConnectionDirectory.DigestOf("secret-b")]),
        new ConnectionKeys("c", [], []),
    ]);

    [Theory]
    [InlineData("token-a", "a")]
    [InlineData("token-a2", "a")]
    [InlineData("token-b", "b")]
    [InlineData("TOKEN-B", "")]
    [InlineData("", "")]
    public void A_token_leads_to_its_connection(string token, string expected)
    {
        Assert.Equal(expected.Length > 0, _directory.TryFindByToken(token, out var connectionId));
        Assert.Equal(expected, connectionId);
    }

    [Theory]
    [InlineData("secret-a", "a")]
    [InlineData("secret-a2", "a")]
    [InlineData("secret-b", "b")]
    [InlineData("secret-B", "")]
    [InlineData("token-a", "")]
    [InlineData("", "")]
    public void A_secret_leads_to_its_connection(string secret, string expected)
    {
        Assert.Equal(expected.Length > 0, _directory.TryFindBySecret(secret, out var connectionId));
        Assert.Equal(expected, connectionId);
        Assert.False(_directory.TryFindBySecret(Digest, out _));
    }

    [Fact]
    public void Two_connections_may_not_share_a_key()
    {
        Assert.Equal(
            "Connections a and b have the same project token.",
            Assert.Throws<ArgumentException>(() => With(new("a", ["t"], []), new("b", ["t"], []))).Message);
        Assert.Equal(
            "Connections a and b have the same webhook secret.",
            Assert.Throws<ArgumentException>(() => With(new("a", [], [Digest]), new("b", [], [Digest.ToUpperInvariant()]))).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("not hexadecimal")]
    [InlineData("abcd")]
    public void A_digest_is_SHA_256_in_hexadecimal(string digest) =>
        Assert.Equal(
            "A webhook secret of connection a is no SHA-256 in hexadecimal.",
            Assert.Throws<ArgumentException>(() => With(new ConnectionKeys("a", [], [digest]))).Message);

    private static ConnectionDirectory With(params ConnectionKeys[] connections) => new(connections);
}
