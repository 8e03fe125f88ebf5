using System.Buffers;
using System.Text.Unicode;

namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// Reads what lz-string's <c>compressToBase64</c> wrote (very old browser SDKs). Dictionary entries are places in the
/// output, so nothing is copied but the output itself; a first pass only adds up lengths, so a bomb is refused before
/// it is unpacked.
/// </summary>
internal static class LzStringPayload
{
    private const int Literal8 = 0;
    private const int Literal16 = 1;
    private const int End = 2;
    private const int FirstEntry = 3;

    private static readonly byte[] Sextets = MakeSextets();

    public static DecodedPayload? Inflate(ReadOnlySpan<byte> base64, int bytesMax, out Refusal? refusal)
    {
        if (!TryInflate(base64, default, bytesMax, out var length))
        {
            refusal = Refusal.BadLzString;
            return null;
        }

        if (length > bytesMax)
        {
            refusal = Refusal.InflatedTooLarge(bytesMax);
            return null;
        }

        var characters = ArrayPool<char>.Shared.Rent((int)length);
        try
        {
            var text = characters.AsSpan(0, (int)length);
            TryInflate(base64, text, bytesMax, out _);
            return ToUtf8(text, bytesMax, out refusal);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(characters);
        }
    }

    private static DecodedPayload? ToUtf8(ReadOnlySpan<char> text, int bytesMax, out Refusal? refusal)
    {
        var size = System.Text.Encoding.UTF8.GetByteCount(text);
        if (size > bytesMax)
        {
            refusal = Refusal.InflatedTooLarge(bytesMax);
            return null;
        }

        var utf8 = DecodedPayload.Make(size);
        var status = Utf8.FromUtf16(text, utf8.Span, out _, out _, replaceInvalidSequences: false);
        refusal = status == OperationStatus.Done ? null : Refusal.BadLzString;
        if (refusal is null)
            return utf8;

        utf8.Return();
        return null;
    }

    /// <summary>
    /// Writes as much as <paramref name="target"/> holds; <paramref name="length"/> is the whole length in UTF-16
    /// units, or something above the limit as soon as that is passed. False if the data is broken or cut short.
    /// </summary>
    private static bool TryInflate(ReadOnlySpan<byte> base64, Span<char> target, int lengthMax, out long length)
    {
        var bits = new BitReader(base64);
        var entries = new Entries();
        length = 0;
        try
        {
            return TryInflate(ref bits, ref entries, target, lengthMax, ref length);
        }
        finally
        {
            entries.Return();
        }
    }

    private static bool TryInflate(
        ref BitReader bits,
        ref Entries entries,
        Span<char> target,
        int lengthMax,
        ref long length)
    {
        var width = 2;
        var untilWider = 1;
        var previous = default(Entry);
        var isFirst = true;
        while (length <= lengthMax)
        {
            if (!bits.TryRead(width, out var code))
                return false;
            if (code == End)
                return true;

            Entry entry;
            if (code is Literal8 or Literal16)
            {
                if (!bits.TryRead(code == Literal8 ? 8 : 16, out var unit))
                    return false;

                entry = new Entry((int)length, 1);
                if (length < target.Length)
                    target[(int)length] = (char)unit;
                length++;
                entries.Add(entry);
                if (!isFirst && --untilWider == 0)
                    untilWider = 1 << width++;
            }
            else
            {
                if (isFirst || code - FirstEntry > entries.Count)
                    return false;

                entry = code - FirstEntry == entries.Count
                    ? new Entry(previous.Start, previous.Length + 1)
                    : entries[code - FirstEntry];
                Copy(target, entry, length);
                entry = new Entry((int)length, entry.Length);
                length += entry.Length;
            }

            if (!isFirst)
                entries.Add(new Entry(previous.Start, previous.Length + 1));
            if (--untilWider == 0)
                untilWider = 1 << width++;
            previous = entry;
            isFirst = false;
        }

        return true;
    }

    /// <summary>Unit by unit, because an entry may reach into what it is just writing.</summary>
    private static void Copy(Span<char> target, Entry entry, long at)
    {
        if (at + entry.Length > target.Length)
            return;

        for (var i = 0; i < entry.Length; i++)
            target[(int)at + i] = target[entry.Start + i];
    }

    private static byte[] MakeSextets()
    {
        var sextets = new byte[256];
        Array.Fill(sextets, byte.MaxValue);
        var alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"u8;
        for (var i = 0; i < alphabet.Length; i++)
            sextets[alphabet[i]] = (byte)i;
        sextets['='] = 0;
        return sextets;
    }

    private readonly record struct Entry(int Start, int Length);

    private struct Entries
    {
        private Entry[] _entries;

        public Entries() => _entries = ArrayPool<Entry>.Shared.Rent(1024);

        public int Count { get; private set; }

        public readonly Entry this[int index] => _entries[index];

        public void Add(Entry entry)
        {
            if (Count == _entries.Length)
            {
                var larger = ArrayPool<Entry>.Shared.Rent(Count * 2);
                _entries.CopyTo(larger, 0);
                Return();
                _entries = larger;
            }

            _entries[Count++] = entry;
        }

        public readonly void Return() => ArrayPool<Entry>.Shared.Return(_entries);
    }

    private ref struct BitReader(ReadOnlySpan<byte> base64)
    {
        private readonly ReadOnlySpan<byte> _base64 = base64;
        private int _next;
        private int _sextet;
        private int _left;

        /// <summary>Bits arrive highest first within a character, lowest first within a number.</summary>
        public bool TryRead(int count, out int value)
        {
            value = 0;
            for (var i = 0; i < count; i++)
            {
                if (_left == 0 && !TryNext())
                    return false;

                value |= ((_sextet >> --_left) & 1) << i;
            }

            return true;
        }

        private bool TryNext()
        {
            if (_next == _base64.Length || Sextets[_base64[_next]] == byte.MaxValue)
                return false;

            _sextet = Sextets[_base64[_next++]];
            _left = 6;
            return true;
        }
    }
}
