using System.Buffers;
using System.Text;
using System.Text.Json;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Takes what a connection keeps secret out of its receiver's answers: some receivers repeat the headers that they
/// got.</summary>
internal sealed class SecretMask
{
    private const string Base64Secret = "whsec_";

    // What is shorter is no key, but may be a word that answers are made of.
    private const int HeaderCharactersMin = 4;
    private const int PasswordCharactersMin = 6;
    private const int PathCharactersMin = 8;

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
        var credentials = connection.Authorization[(scheme + 1)..].Trim(' ');
        yield return connection.Authorization;
        yield return credentials;
        foreach (var part in BasicOf(credentials))
        {
            yield return part;
        }

        foreach (var part in PathOf(connection.Url))
        {
            yield return part;
        }

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

    // What Basic authentication writes in Base64, and the password of it.
    private static IEnumerable<string> BasicOf(string credentials)
    {
        var decoded = new byte[credentials.Length];
        if (!Convert.TryFromBase64String(credentials, decoded, out var length))
        {
            yield break;
        }

        var pair = Encoding.UTF8.GetString(decoded, 0, length);
        var password = pair[(pair.IndexOf(':', StringComparison.Ordinal) + 1)..];
        yield return pair.Length < PasswordCharactersMin ? "" : pair;
        yield return password.Length < PasswordCharactersMin ? "" : password;
    }

    // A webhook's address may be all that keeps others out: what says "cannot POST" names it.
    private static IEnumerable<string> PathOf(string url)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address))
        {
            yield break;
        }

        yield return address.PathAndQuery.Length < PathCharactersMin ? "" : address.PathAndQuery;
        yield return address.AbsolutePath.Length < PathCharactersMin ? "" : address.AbsolutePath;
        yield return address.UserInfo;
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
