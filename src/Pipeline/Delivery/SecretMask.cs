using System.Buffers;
using System.Text;
using System.Text.Json;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Takes what a connection keeps secret out of its receiver's answers: some receivers repeat the headers that they
/// got.</summary>
internal sealed class SecretMask
{
    private const string Base64Secret = "whsec_";

    /// <summary>A shorter value of a header is no key, but may be a word that answers are made of.</summary>
    private const int HeaderCharactersMin = 4;

    private readonly byte[][] _secrets;

    /// <summary>The mask of a connection.</summary>
    public SecretMask(ConnectionOptions connection) => _secrets =
    [
        .. SecretsOf(connection)
            .Where(secret => secret.Length > 0)
            .SelectMany(FormsOf)
            .Distinct()
            .Select(Encoding.UTF8.GetBytes)
            .OrderByDescending(secret => secret.Length), // the whole goes before its parts
    ];

    /// <summary>The length of the longest secret: so much more is read, to see one that begins in what is kept.</summary>
    public int BytesMax => _secrets.Length == 0 ? 0 : _secrets[0].Length;

    /// <summary>What begins within <paramref name="bytesMax"/> bytes of an answer, <c>***</c> for secrets.</summary>
    public ReadOnlyMemory<byte> Apply(ReadOnlySpan<byte> answer, int bytesMax)
    {
        var kept = new ArrayBufferWriter<byte>(bytesMax);
        for (var at = 0; at < answer.Length && kept.WrittenCount < bytesMax && at < bytesMax;)
        {
            var secret = SecretAt(answer[at..]);
            kept.Write(secret is null ? answer.Slice(at, 1) : "***"u8);
            at += secret?.Length ?? 1;
        }

        return kept.WrittenMemory[..Math.Min(kept.WrittenCount, bytesMax)];
    }

    private static IEnumerable<string> SecretsOf(ConnectionOptions connection)
    {
        var scheme = connection.Authorization.IndexOf(' ');
        yield return connection.Authorization;
        yield return connection.Authorization[(scheme + 1)..].Trim(' ');
        foreach (var secret in new[] { connection.Signature.Secret, connection.Signature.SecretOther })
        {
            yield return secret;
            yield return secret.StartsWith(Base64Secret, StringComparison.Ordinal) ? secret[Base64Secret.Length..] : "";
        }

        foreach (var header in connection.Headers)
        {
            var (_, value) = PostHeaders.Split(header);
            yield return value.Length < HeaderCharactersMin ? "" : value;
        }
    }

    /// <summary>As it is, and as JSON may write it.</summary>
    private static IEnumerable<string> FormsOf(string secret) =>
    [
        secret,
        JsonEncodedText.Encode(secret).ToString(),
        secret.Replace("/", "\\/", StringComparison.Ordinal),
    ];

    private byte[]? SecretAt(ReadOnlySpan<byte> rest)
    {
        foreach (var secret in _secrets)
        {
            if (rest.StartsWith(secret))
            {
                return secret;
            }
        }

        return null;
    }
}
