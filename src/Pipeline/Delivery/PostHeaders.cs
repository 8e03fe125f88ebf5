using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// The headers that a connection's posts carry beside the content type: Authorization, its own, and a signature. They are made
/// of the configuration, the clock and a hash of the body; nothing that an event says stands in a header.
/// </summary>
public sealed class PostHeaders
{
    private const string Base64Secret = "whsec_";
    private readonly string _authorization;
    private readonly (string Name, string Value)[] _own;
    private readonly SignatureForm _form;
    private readonly byte[][] _keys;

    /// <summary>The headers of a connection, whose configuration is checked already.</summary>
    public PostHeaders(ConnectionOptions connection)
    {
        Secrets = new SecretMask(connection);
        _authorization = connection.Authorization;
        _own = [.. connection.Headers.Select(Split)];
        _form = connection.Signature.Form;
        _keys =
        [
            .. new[] { connection.Signature.Secret, connection.Signature.SecretOther }
                .Where(secret => secret.Length > 0)
                .Select(KeyOf),
        ];
    }

    /// <summary>What of them must be kept nowhere.</summary>
    internal SecretMask Secrets { get; }

    /// <summary>The name and the value of a header as it is configured, <c>Name: value</c>.</summary>
    public static (string Name, string Value) Split(string header)
    {
        var colon = header.IndexOf(':');
        return colon < 0 ? (header, "") : (header[..colon], header[(colon + 1)..].Trim(' '));
    }

    /// <summary>Puts them on a post.</summary>
    /// <param name="request">The post.</param>
    /// <param name="entry">The message.</param>
    /// <param name="now">When it is sent.</param>
    public void Apply(HttpRequestMessage request, OutboxEntry entry, DateTimeOffset now)
    {
        var headers = request.Headers;
        if (_authorization.Length > 0)
        {
            headers.TryAddWithoutValidation("Authorization", _authorization);
        }

        foreach (var (name, value) in _own)
        {
            headers.TryAddWithoutValidation(name, value);
        }

        if (_keys.Length > 0)
        {
            Sign(headers, entry, now);
        }
    }

    private static byte[] KeyOf(string secret) => secret.StartsWith(Base64Secret, StringComparison.Ordinal)
        ? Convert.FromBase64String(secret[Base64Secret.Length..])
        : Encoding.UTF8.GetBytes(secret);

    /// <summary>The same on every attempt. A message id that is no uuid is text of the sender's, which no header may hold.</summary>
    private static string IdOf(OutboxEntry entry) => (Guid.TryParseExact(entry.Message.MessageId, "D", out var id)
        ? id
        : UuidV5.Create(entry.Uuid, entry.Message.MessageId)).ToString();

    /// <summary>Standard Webhooks: a key signs <c>id.timestamp.body</c>.</summary>
    private static string Standard(byte[] key, string id, string timestamp, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        hash.AppendData(Encoding.ASCII.GetBytes($"{id}.{timestamp}."));
        hash.AppendData(body);
        return $"v1,{Convert.ToBase64String(hash.GetHashAndReset())}";
    }

    private void Sign(System.Net.Http.Headers.HttpRequestHeaders headers, OutboxEntry entry, DateTimeOffset now)
    {
        var body = entry.Message.Body;
        if (_form == SignatureForm.Segment)
        {
            headers.TryAddWithoutValidation("X-Signature", SegmentSignature.Of(_keys[0], body.Span));
            return;
        }

        var (id, timestamp) = (IdOf(entry), now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
        headers.TryAddWithoutValidation("webhook-id", id);
        headers.TryAddWithoutValidation("webhook-timestamp", timestamp);
        headers.TryAddWithoutValidation(
            "webhook-signature", string.Join(' ', _keys.Select(key => Standard(key, id, timestamp, body.Span))));
    }
}
