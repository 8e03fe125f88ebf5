using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace VarianceActors.Pipeline.Sources;

/// <summary>How the doors recognise one connection.</summary>
/// <param name="ConnectionId">The connection.</param>
/// <param name="ProjectTokens">PostHog project tokens; they are public, and allow sending only.</param>
/// <param name="WebhookSecretDigests">SHA-256 of each webhook secret, in hexadecimal; several
/// allow a change without a gap.</param>
public sealed record ConnectionKeys(
    string ConnectionId,
    ImmutableArray<string> ProjectTokens,
    ImmutableArray<string> WebhookSecretDigests);

/// <summary>
/// From a token or a secret to the connection it belongs to. Immutable: a change of configuration makes a new one.
/// </summary>
public sealed class ConnectionDirectory
{
    private readonly FrozenDictionary<string, string> _byToken;
    private readonly ImmutableArray<(byte[] Digest, string ConnectionId)> _byDigest;

    /// <summary>Throws if two connections share a token or a secret, or if a digest is none.</summary>
    public ConnectionDirectory(IEnumerable<ConnectionKeys> connections)
    {
        var byToken = new Dictionary<string, string>(StringComparer.Ordinal);
        var byDigest = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var connection in connections)
        {
            foreach (var token in connection.ProjectTokens)
                AddOnce(byToken, token, connection.ConnectionId, "project token");
            foreach (var digest in connection.WebhookSecretDigests)
                AddOnce(byDigest, digest, connection.ConnectionId, "webhook secret");
        }

        _byToken = byToken.ToFrozenDictionary(StringComparer.Ordinal);
        _byDigest = [.. byDigest.Select(pair => (DigestBytes(pair.Key, pair.Value), pair.Value))];
    }

    /// <summary>The form in which secrets are kept: SHA-256 of the UTF-8 text, in lower-case hexadecimal.</summary>
    public static string DigestOf(string secret) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    /// <summary>False for a token that belongs to no connection.</summary>
    public bool TryFindByToken(string token, out string connectionId) =>
        _byToken.TryGetValue(token, out connectionId!) || Missed(out connectionId);

    /// <summary>
    /// False for a secret that belongs to no connection. Takes equally long whichever connection it is.
    /// </summary>
    public bool TryFindBySecret(string presented, out string connectionId)
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes(presented));
        connectionId = "";
        foreach (var known in _byDigest)
        {
            if (CryptographicOperations.FixedTimeEquals(known.Digest, digest))
                connectionId = known.ConnectionId;
        }

        return connectionId.Length > 0;
    }

    private static bool Missed(out string connectionId)
    {
        connectionId = "";
        return false;
    }

    private static void AddOnce(Dictionary<string, string> owners, string key, string connectionId, string what)
    {
        if (!owners.TryAdd(key, connectionId) && owners[key] != connectionId)
            throw new ArgumentException($"Connections {owners[key]} and {connectionId} have the same {what}.");
    }

    private static byte[] DigestBytes(string hex, string connectionId)
    {
        var digest = new byte[SHA256.HashSizeInBytes];
        var status = Convert.FromHexString(hex, digest, out _, out var written);
        if (status != System.Buffers.OperationStatus.Done || written != digest.Length)
            throw new ArgumentException($"A webhook secret of connection {connectionId} is no SHA-256 in hexadecimal.");
        return digest;
    }
}
