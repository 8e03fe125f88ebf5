using System.Buffers;

namespace VarianceActors.Pipeline.Stores;

/// <summary>
/// Which numbers of a gapless sequence are done: all below a watermark, and some above it. Work that finishes out of order
/// commits at once, and a crash repeats only what was not committed.
/// </summary>
public sealed class Progress
{
    private readonly HashSet<long> _above;

    private Progress(long next, HashSet<long> above)
    {
        Next = next;
        _above = above;
    }

    /// <summary>The lowest number that is not done.</summary>
    public long Next { get; private set; }

    /// <summary>Nothing is done.</summary>
    public static Progress Start() => new(0, []);

    /// <summary>Reads what <see cref="Encode"/> wrote; null is <see cref="Start"/>.</summary>
    /// <exception cref="InvalidDataException">The bytes are not of this form.</exception>
    public static Progress Decode(byte[]? bytes)
    {
        if (bytes is null)
        {
            return Start();
        }

        var reader = new RowReader(bytes);
        var next = reader.ReadVarint();
        var above = new HashSet<long>();
        for (var number = next; !reader.AtEnd;)
        {
            number += reader.ReadVarint();
            above.Add(number);
        }

        return new Progress(next, above);
    }

    /// <summary>A copy with further numbers done.</summary>
    public Progress With(IEnumerable<long> numbers)
    {
        var copy = new Progress(Next, [.. _above]);
        foreach (var number in numbers)
        {
            copy.Add(number);
        }

        return copy;
    }

    /// <summary>Whether <paramref name="number"/> is done.</summary>
    public bool IsDone(long number) => number < Next || _above.Contains(number);

    /// <summary>Marks a number as done; to mark it again changes nothing.</summary>
    public void Add(long number)
    {
        if (number > Next)
        {
            _above.Add(number);
            return;
        }

        if (number < Next)
        {
            return;
        }

        Next++;
        while (_above.Remove(Next))
        {
            Next++;
        }
    }

    /// <summary>The watermark and the distances between the numbers above it.</summary>
    public byte[] Encode()
    {
        var buffer = new ArrayBufferWriter<byte>(16 + (2 * _above.Count));
        var writer = new RowWriter(buffer);
        writer.WriteVarint(Next);
        var previous = Next;
        foreach (var number in _above.Order())
        {
            writer.WriteVarint(number - previous);
            previous = number;
        }

        return buffer.WrittenSpan.ToArray();
    }
}
