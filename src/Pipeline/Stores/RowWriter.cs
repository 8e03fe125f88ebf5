using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace VarianceActors.Pipeline.Stores;

/// <summary>Writes the binary form of store rows: variable-length integers, and bytes with their length before them.</summary>
internal readonly ref struct RowWriter(IBufferWriter<byte> buffer)
{
    /// <summary>Writes a number that is not negative, seven bits a byte, lowest first.</summary>
    public void WriteVarint(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        var span = buffer.GetSpan(9);
        var length = 0;
        while (value >= 0x80)
        {
            span[length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        span[length++] = (byte)value;
        buffer.Advance(length);
    }

    public void WriteByte(byte value)
    {
        buffer.GetSpan(1)[0] = value;
        buffer.Advance(1);
    }

    /// <summary>Writes eight bytes, little-endian.</summary>
    public void WriteFixed(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.GetSpan(8), value);
        buffer.Advance(8);
    }

    public void WriteGuid(Guid value)
    {
        value.TryWriteBytes(buffer.GetSpan(16), bigEndian: true, out _);
        buffer.Advance(16);
    }

    public void WriteText(string value)
    {
        var length = Encoding.UTF8.GetByteCount(value);
        WriteVarint(length);
        Encoding.UTF8.GetBytes(value, buffer.GetSpan(length));
        buffer.Advance(length);
    }

    public void WriteBytes(ReadOnlySpan<byte> value)
    {
        WriteVarint(value.Length);
        buffer.Write(value);
    }
}
