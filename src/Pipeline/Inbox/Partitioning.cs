using System.Buffers;
using System.IO.Hashing;
using System.Text;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Inbox;

/// <summary>Which partition an event belongs to: all events of one distinct id of one connection share one.</summary>
/// <param name="Partitions">How many there are; fixed in the database at the first start.</param>
public readonly record struct Partitioning(int Partitions)
{
    private const int StackBytes = 512;

    /// <summary>The partition of an event, from 0.</summary>
    public int Of(string connectionId, CaptureEvent captured) =>
        (int)(Hash(connectionId, captured.DistinctId is { Length: > 0 } id ? id : captured.Uuid.ToString())
              % (ulong)Partitions);

    private static ulong Hash(string connectionId, string key)
    {
        var length = Encoding.UTF8.GetMaxByteCount(connectionId.Length + key.Length + 1);
        var rented = length > StackBytes ? ArrayPool<byte>.Shared.Rent(length) : null;
        var bytes = rented ?? stackalloc byte[StackBytes];
        var at = Encoding.UTF8.GetBytes(connectionId, bytes);
        bytes[at++] = 0;
        at += Encoding.UTF8.GetBytes(key, bytes[at..]);
        var hash = XxHash3.HashToUInt64(bytes[..at]);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        return hash;
    }
}
