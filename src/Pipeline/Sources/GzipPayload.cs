using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// Inflates gzip into an array of the exact size. A payload that is larger than its trailer claims is counted first, without
/// being kept, so a bomb costs time up to the limit but no memory.
/// </summary>
internal static class GzipPayload
{
    /// <summary>Largest array that is made on the word of the trailer alone, in bytes.</summary>
    private const int TrustedBytesMax = 4 << 20;

    /// <summary>No deflate stream inflates further than this.</summary>
    private const int RatioMax = 1032;

    private const int ScratchBytes = 64 << 10;

    public static byte[]? Inflate(ReadOnlyMemory<byte> gzip, int bytesMax, out Refusal? refusal)
    {
        try
        {
            var first = GC.AllocateUninitializedArray<byte>(TrustedSize(gzip.Span, bytesMax));
            var total = Inflate(gzip, first, bytesMax);
            if (total > bytesMax)
            {
                refusal = Refusal.InflatedTooLarge(bytesMax);
                return null;
            }

            refusal = null;
            if (total == first.Length)
                return first;

            var exact = GC.AllocateUninitializedArray<byte>((int)total);
            Inflate(gzip, exact, bytesMax);
            return exact;
        }
        catch (InvalidDataException)
        {
            refusal = Refusal.BadGzip;
            return null;
        }
    }

    /// <summary>Fills <paramref name="target"/>, and goes on counting to the end or past the limit.</summary>
    private static long Inflate(ReadOnlyMemory<byte> gzip, byte[] target, int bytesMax)
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

    /// <summary>The trailer's last four bytes are the size, if the stream has one member and tells the truth.</summary>
    private static int TrustedSize(ReadOnlySpan<byte> gzip, int bytesMax)
    {
        if (gzip.Length < sizeof(uint))
            return 0;

        var claimed = BinaryPrimitives.ReadUInt32LittleEndian(gzip[^sizeof(uint)..]);
        var possible = Math.Min(Math.Min((long)gzip.Length * RatioMax, bytesMax), TrustedBytesMax);
        return claimed <= possible ? (int)claimed : 0;
    }
}
