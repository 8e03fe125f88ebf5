using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace VarianceActors.Pipeline.Sources;

/// <summary>Name-based UUIDs with SHA-1 (RFC 9562, 5.5).</summary>
public static class UuidV5
{
    private const int StackNameBytesMax = 256;
    private const int UuidBytes = 16;

    /// <summary>The UUID of a name within a namespace: the same for the same two, for ever.</summary>
    [SuppressMessage("Security", "CA5350", Justification = "The RFC prescribes SHA-1; it protects nothing here.")]
    public static Guid Create(Guid space, string name)
    {
        int nameBytes = Encoding.UTF8.GetByteCount(name);
        int length = UuidBytes + nameBytes;
        Span<byte> source = nameBytes <= StackNameBytesMax ? stackalloc byte[length] : new byte[length];
        space.TryWriteBytes(source, bigEndian: true, out _);
        Encoding.UTF8.GetBytes(name, source[UuidBytes..]);

        Span<byte> hash = stackalloc byte[SHA1.HashSizeInBytes];
        SHA1.HashData(source, hash);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x50);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash[..UuidBytes], bigEndian: true);
    }
}
