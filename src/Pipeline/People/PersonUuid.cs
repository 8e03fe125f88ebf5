using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace VarianceActors.Pipeline.People;

/// <summary>PostHog's person uuid (posthog.md A7): UUIDv5 of <c>{project}:{distinct id}</c>, so it can be computed
/// anywhere.</summary>
public static class PersonUuid
{
    private static readonly Guid Namespace = new("932979b4-65c3-4424-8467-0b66ec27bc22");

    /// <summary>The uuid of the person born on a distinct id.</summary>
    /// <param name="born">The home of that id.</param>
    /// <param name="project">The number of the PostHog project; null if it is not known: then the connection's id stands in its
    /// place, and the uuid is not PostHog's.</param>
    public static Guid Of(PersonId born, long? project = null) => Version5(
        Namespace, $"{project?.ToString(CultureInfo.InvariantCulture) ?? born.ConnectionId}:{born.DistinctId}");

    /// <summary>RFC 9562's UUIDv5: SHA-1 of the namespace's bytes and the name's UTF-8.</summary>
    [SuppressMessage("Security", "CA5350", Justification = "UUIDv5 is defined by SHA-1; nothing is protected by it.")]
    public static Guid Version5(Guid space, string name)
    {
        var text = new byte[16 + Encoding.UTF8.GetByteCount(name)];
        space.TryWriteBytes(text, bigEndian: true, out _);
        Encoding.UTF8.GetBytes(name, text.AsSpan(16));
        Span<byte> hash = stackalloc byte[SHA1.HashSizeInBytes];
        SHA1.HashData(text, hash);
        hash[6] = (byte)((hash[6] & 0x0f) | 0x50);
        hash[8] = (byte)((hash[8] & 0x3f) | 0x80);
        return new Guid(hash[..16], bigEndian: true);
    }
}
