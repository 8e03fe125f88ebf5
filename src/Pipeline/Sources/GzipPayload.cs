using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// Inflates gzip of one member, as PostHog does, into an array. The size in the trailer must be true:
/// that also finds payloads that were cut within the trailer, which the framework lets pass. A payload that claims to
/// be large is counted first, without being kept, so a bomb costs time up to the limit but no memory.
/// </summary>
internal static class GzipPayload
{
    /// <summary>Largest array that is made on the word of the trailer alone, in bytes.</summary>
    private const int TrustedBytesMax = 4 << 20;

    /// <summary>No deflate stream inflates further than this.</summary>
    private const int RatioMax = 1032;

    private const int ScratchBytes = 64 << 10;

    public static DecodedPayload? Inflate(ReadOnlyMemory<byte> gzip, int bytesMax, out Refusal? refusal)
    {
        try
        {
            return InflateUnchecked(gzip, bytesMax, out refusal);
        }
        catch (InvalidDataException)
        {
            refusal = Refusal.BadGzip;
            return null;
        }
    }

    private static DecodedPayload? InflateUnchecked(ReadOnlyMemory<byte> gzip, int bytesMax, out Refusal? refusal)
    {
        var claimed = gzip.Length < sizeof(uint)
            ? 0
            : BinaryPrimitives.ReadUInt32LittleEndian(gzip.Span[^sizeof(uint)..]);
        var isTrusted = claimed <= Math.Min(Math.Min((long)gzip.Length * RatioMax, bytesMax), TrustedBytesMax);
        var inflated = GC.AllocateUninitializedArray<byte>(isTrusted ? (int)claimed : 0);
        var total = Inflate(gzip, inflated, bytesMax);
        refusal = total > bytesMax ? Refusal.InflatedTooLarge(bytesMax) : total != claimed ? Refusal.BadGzip : null;
        if (refusal is not null)
            return null;

        if (isTrusted)
            return DecodedPayload.Of(inflated);

        var payload = DecodedPayload.Make((int)total);
        Inflate(gzip, payload.Span, bytesMax);
        return payload;
    }

    /// <summary>Fills <paramref name="target"/>, and goes on counting to the end or past the limit.</summary>
    private static long Inflate(ReadOnlyMemory<byte> gzip, Span<byte> target, int bytesMax)
    {
        MemoryMarshal.TryGetArray(gzip, out var source);
        using var bytes = new MemoryStream(source.Array!, source.Offset, source.Count, writable: false);
        using var inflated = new GZipStream(bytes, CompressionMode.Decompress);
        long total = inflated.ReadAtLeast(target, target.Length, throwOnEndOfStream: false);
        if (total < target.Length)
            return total;

        var scratch = ArrayPool<byte>.Shared.Rent(ScratchBytes);
        try
        {
            for (var read = -1; read != 0 && total <= bytesMax; total += read)
                read = inflated.Read(scratch);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }

        return total;
    }
}
