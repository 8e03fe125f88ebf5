using System.Security.Cryptography;
using System.Text;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>What a post carries to prove where it comes from.</summary>
public sealed class PostHeadersTests
{
    private const string Id = "5b8b1a3c-0d7e-4b0c-9a56-0e4b1f0f6a11";
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_614_265_330);

    [Fact]
    public void The_Segment_form_is_the_hex_of_the_bodys_hmac()
    {
        using var request = Apply(Connection(SignatureForm.Segment, "key"), Id, "The quick brown fox jumps over the lazy dog");
        Assert.Equal("de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9", One(request, "X-Signature"));
    }

    [Fact]
    public void The_standard_form_signs_id_time_and_body_with_each_secret()
    {
        var secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        using var request = Apply(Connection(SignatureForm.Standard, secret, "another-secret-0123"), Id, "{\"test\":1}");

        Assert.Equal(Id, One(request, "webhook-id"));
        Assert.Equal("1614265330", One(request, "webhook-timestamp"));
        var signed = Encoding.UTF8.GetBytes($"{Id}.1614265330.{{\"test\":1}}");
        var first = HMACSHA256.HashData(Convert.FromBase64String("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), signed);
        var second = HMACSHA256.HashData(Encoding.UTF8.GetBytes("another-secret-0123"), signed);
        Assert.Equal(
            $"v1,{Convert.ToBase64String(first)} v1,{Convert.ToBase64String(second)}", One(request, "webhook-signature"));
    }

    [Fact]
    public void An_id_that_an_event_made_up_never_stands_in_a_header()
    {
        var connection = Connection(SignatureForm.Standard, "a-secret-0123456789");
        using var one = Apply(connection, "x\r\nX-Evil: yes", "{}");
        using var again = Apply(connection, "x\r\nX-Evil: yes", "{}");
        using var other = Apply(connection, "y", "{}");

        Assert.True(Guid.TryParse(One(one, "webhook-id"), out _));
        Assert.Equal(One(one, "webhook-id"), One(again, "webhook-id"));
        Assert.NotEqual(One(one, "webhook-id"), One(other, "webhook-id"));
        Assert.False(one.Headers.Contains("X-Evil"));
    }

    [Fact]
    public void Configured_headers_are_carried_and_nothing_is_signed_without_a_secret()
    {
        var connection = Connection(SignatureForm.Standard, "");
        connection.Authorization = "Basic dGVzdA==";
        connection.Headers = ["X-Source: posthog", "X-Odd:a:b"];
        using var request = Apply(connection, Id, "{}");

        Assert.Equal("Basic dGVzdA==", One(request, "Authorization"));
        Assert.Equal("posthog", One(request, "X-Source"));
        Assert.Equal("a:b", One(request, "X-Odd"));
        Assert.Equal(3, request.Headers.Count());
    }

    private static HttpRequestMessage Apply(ConnectionOptions connection, string messageId, string body)
    {
        var message = new OutboundMessage(MessageKind.Track, messageId, Encoding.UTF8.GetBytes(body));
        var entry = new OutboxEntry(0, 0, new Guid("0f2b7f2e-4a1b-4d7c-8c44-0f5f5f5f5f5f"), 0, true, Now, message);
        var request = new HttpRequestMessage(HttpMethod.Post, "https://host/");
        new PostHeaders(connection).Apply(request, entry, Now);
        return request;
    }

    private static string One(HttpRequestMessage request, string name) => Assert.Single(request.Headers.GetValues(name));

    internal static ConnectionOptions Connection(SignatureForm form, string secret, string other = "") => new()
    {
        Tokens = [],
        WebhookSecret = "",
        Url = "https://host/",
        Authorization = "",
        Headers = [],
        Signature = new SignatureOptions { Form = form, Secret = secret, SecretOther = other },
        GroupType = "",
        Accounts = new() { IdPaths = [], NamePaths = [], EmailPath = "", NoAccountDomains = [], AccountDomains = [] },
        LastSeenNotFrom = [],
        Stages = new() { Contacts = [], Accounts = [] },
        Rate = new RateOptions(),
        Identity = new IdentityOptions { BlockedIds = [] },
        Filters = new FilterOptions { EventsAllowed = [], EventsDenied = [], PropertiesNeverSent = [] },
    };
}
