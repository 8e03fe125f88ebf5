using System.Buffers.Binary;
using System.Text;

namespace VarianceActors.Pipeline.Stores;

/// <summary>Reads what <see cref="RowWriter"/> wrote. A row that ends early or says nonsense is an
/// <see cref="InvalidDataException"/>: the file is damaged, and guessing would hide it.</summary>
internal ref struct RowReader(ReadOnlyMemory<byte> row)
{
    private int _at;

    public readonly bool AtEnd => _at == row.Length;

    public long ReadVarint()
    {
        var value = 0L;
        for (var shift = 0; shift < 63; shift += 7)
        {
            var next = ReadByte();
            value |= (long)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw Damaged();
    }

    public byte ReadByte() => Take(1).Span[0];

    public ulong ReadFixed() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8).Span);

    public Guid ReadGuid() => new(Take(16).Span, bigEndian: true);

    public string ReadText() => Encoding.UTF8.GetString(ReadBytes().Span);

    /// <summary>The bytes as a slice of the row, not a copy.</summary>
    public ReadOnlyMemory<byte> ReadBytes() => Take(ReadVarint());

    private static InvalidDataException Damaged() => new("A stored row is damaged: it does not have the form it was written in.");

    private ReadOnlyMemory<byte> Take(long count)
    {
        if (count > row.Length - _at)
        {
            throw Damaged();
        }

        var taken = row.Slice(_at, (int)count);
        _at += (int)count;
        return taken;
    }
}
