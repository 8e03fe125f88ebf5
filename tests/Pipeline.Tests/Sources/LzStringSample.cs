using System.Text;

namespace VarianceActors.Pipeline.Tests.Sources;

/// <summary>lz-string payloads: one recorded from lz-string 1.5.0, and bombs.</summary>
internal static class LzStringSample
{
    public const string Text =
        """
        {"event":"aaaaaaaaaaaaaaaaaaaaaaaa","distinct_id":"ünï","token":"t","properties":{"emoji":"☃😀","list":[1,1,1,1,1,1,1,2,3,5,8],"text":"the quick brown fox jumps over the lazy dog, the quick brown fox"}}
        """;

    public const string Base64 =
        "N4IgpgbmB2AuIC4QENVvRzaQBoQBMBLAZ1kOgGNYB9Q/REAH+gHvcRYB7AaxgfjwAHAE6dBYYWTDFEoMAFtOAK0INAwGSBeDcAAe+wA2JeAgDaARhxmL5q2"
        + "YBMOAMw4ArDgAcAXTywwAD0McACzAAAgBHAFdCCm5ggCNRAHdoYIAzTh9gpXD5QWJgzihhYNgg4N1kAC8AT2D8TgBzHGLSiKiY+M4k1PSQAF9eoA=";

    /// <summary>A run of one letter, of at least <paramref name="length"/>: every code is one longer than the one before.</summary>
    public static byte[] Bomb(long length)
    {
        var bits = new List<bool>();
        Write(bits, 0, 2);
        Write(bits, 'x', 8);
        var (width, untilWider, next) = (3, 4, 4);
        for (long written = 1, run = 2; written < length; written += run++)
        {
            Write(bits, next++, width);
            if (--untilWider == 0)
                untilWider = 1 << width++;
        }

        Write(bits, 2, width);
        while (bits.Count % 24 != 0)
            bits.Add(false);
        return Encoding.ASCII.GetBytes(Convert.ToBase64String(Packed(bits)));
    }

    private static void Write(List<bool> bits, int value, int count)
    {
        for (var i = 0; i < count; i++)
            bits.Add(((value >> i) & 1) == 1);
    }

    private static byte[] Packed(List<bool> bits)
    {
        var bytes = new byte[bits.Count / 8];
        for (var i = 0; i < bits.Count; i++)
        {
            if (bits[i])
                bytes[i / 8] |= (byte)(0x80 >> (i % 8));
        }

        return bytes;
    }
}
