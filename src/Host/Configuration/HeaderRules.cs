using System.Buffers;
using System.Buffers.Text;
using System.Collections.Frozen;
using System.Text;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Delivery;

namespace VarianceActors.Host.Configuration;

/// <summary>Rules of the headers that a connection's posts carry. No message holds a value.</summary>
internal static class HeaderRules
{
    private const int HeadersMax = 20;
    private const int NameCharactersMax = 64;
    private const int ValueCharactersMax = 4_096;
    private const string Base64Secret = "whsec_";

    /// <summary>RFC 9110, 5.6.2: what a name may be made of.</summary>
    private static readonly SearchValues<char> NameCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~");

    /// <summary>What frames the request or is ours to say.</summary>
    private static readonly FrozenSet<string> Reserved = new[]
    {
        "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect", "Host", "Keep-Alive",
        "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "X-Signature", "webhook-id",
        "webhook-signature", "webhook-timestamp",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reports every rule that the headers of a connection break, by key with colons.</summary>
    public static void Check(string key, ConnectionOptions connection, Action<string, string> report)
    {
        CheckSigningSecret($"{key}:signature:secret", connection.Signature.Secret, report);
        CheckSigningSecret($"{key}:signature:secret-other", connection.Signature.SecretOther, report);
        CheckOther($"{key}:signature:secret-other", connection.Signature, report);
        if (connection.Headers.Count > HeadersMax)
        {
            report($"{key}:headers", $"has {connection.Headers.Count} headers; give at most {HeadersMax}");
        }

        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        for (var index = 0; index < connection.Headers.Count; index++)
        {
            if (FaultOf(connection.Headers[index], names) is { } fault)
            {
                report($"{key}:headers", $"header {index + 1} {fault}");
            }
        }
    }

    private static void CheckSigningSecret(string key, string secret, Action<string, string> report)
    {
        OptionsRules.CheckSecret(key, secret, report);
        if (secret.StartsWith(Base64Secret, StringComparison.Ordinal)
            && !Base64.IsValid(Encoding.UTF8.GetBytes(secret[Base64Secret.Length..])))
        {
            report(key, "begins with whsec_ and goes on with what is no base64; give it as the receiver gave it");
        }
    }

    private static void CheckOther(string key, SignatureOptions signature, Action<string, string> report)
    {
        if (signature.SecretOther.Length > 0 && (signature.Secret.Length == 0 || signature.Form == SignatureForm.Segment))
        {
            report(key, "is a second secret; it takes a first one, and form = standard");
        }
    }

    private static string? FaultOf(string header, HashSet<string> names)
    {
        var (name, value) = PostHeaders.Split(header);
        return name switch
        {
            _ when !header.Contains(':') => "has no colon; give \"Name: value\"",
            _ when name.Length is 0 or > NameCharactersMax || name.AsSpan().ContainsAnyExcept(NameCharacters) =>
                $"has a name that is none; give 1 to {NameCharactersMax} letters, digits and -",
            _ when name.Equals("Authorization", StringComparison.OrdinalIgnoreCase) =>
                "is Authorization; use the key authorization",
            _ when Reserved.Contains(name) => "is one that is made for every post; leave it out",
            _ when !names.Add(name) => "has the name of an earlier one; give each name once",
            _ when value.Length is 0 or > ValueCharactersMax =>
                $"has no value or a long one; give 1 to {ValueCharactersMax} characters",
            _ when !value.All(c => c is >= ' ' and <= '~') =>
                "has characters that do not fit into a header; give one line of visible ASCII characters",
            _ => null,
        };
    }
}
