using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;

namespace VarianceActors.Pipeline.Sources;

/// <summary>An event's uuid as senders write it.</summary>
internal static class EventUuid
{
    /// <summary>Namespace of the uuids made of webhook ids that are no uuids; fixed for ever.</summary>
    private static readonly Guid ForeignIds = new("5f2e3a52-5f0e-5d0c-9d63-0c5c8f3f6b1e");

    /// <summary>True if there is a uuid: not missing, null or an empty string.</summary>
    public static bool IsGiven(RawValue value) =>
        !value.IsAbsent && !(value.Type == JsonTokenType.String && value.Length == 2);

    /// <summary>Reads the hyphenated, plain, braced and URN forms.</summary>
    public static bool TryRead(RawValue value, ReadOnlySpan<byte> json, out Guid uuid)
    {
        Span<byte> buffer = stackalloc byte[64];
        uuid = default;
        if (value.Type != JsonTokenType.String || !value.TryCopyText(json, buffer, out var text))
            return false;

        if (text.StartsWith("urn:uuid:"u8))
            text = text["urn:uuid:"u8.Length..];
        var format = text.Length switch { 36 => 'D', 32 => 'N', 38 => 'B', _ => '\0' };
        return format != '\0'
            && Utf8Parser.TryParse(text, out uuid, out var consumed, format)
            && consumed == text.Length;
    }

    /// <summary>A uuid for an id that is none: the same for the same bytes (UUIDv5).</summary>
    public static Guid FromForeign(ReadOnlySpan<byte> id)
    {
        Span<byte> hash = stackalloc byte[SHA1.HashSizeInBytes];
        using (var sha1 = IncrementalHash.CreateHash(HashAlgorithmName.SHA1))
        {
            sha1.AppendData(ForeignIds.ToByteArray(bigEndian: true));
            sha1.AppendData(id);
            sha1.GetHashAndReset(hash);
        }

        hash[6] = (byte)((hash[6] & 0x0F) | 0x50);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash[..16], bigEndian: true);
    }
}
