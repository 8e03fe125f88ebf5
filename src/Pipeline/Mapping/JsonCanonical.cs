using System.Text.Json;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>Tells which JSON text may be copied instead of being read and printed again.</summary>
internal static class JsonCanonical
{
    private const int NamesMax = 128;

    /// <summary>True if JavaScript would print the same value: no repeated names and no number in another form than its
    /// own. A doubtful case (escaped names, very many names) is answered with false.</summary>
    public static bool IsCanonical(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, MappingLimits.Reader);
        reader.Read();
        Span<uint> names = stackalloc uint[NamesMax];
        int count = 0;
        return IsCanonical(ref reader, names, ref count);
    }

    private static bool IsCanonical(ref Utf8JsonReader reader, scoped Span<uint> names, ref int count)
    {
        int first = count;
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.Number when !JavaScriptNumber.IsCanonical(reader.ValueSpan):
                    return false;
                case JsonTokenType.PropertyName:
                    uint name = Digest(reader.ValueSpan);
                    if (reader.ValueIsEscaped || count == names.Length || names[first..count].Contains(name))
                        return false;
                    names[count++] = name;
                    break;
                case JsonTokenType.StartObject or JsonTokenType.StartArray:
                    if (!IsCanonical(ref reader, names, ref count))
                        return false;
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    count = first;
                    return true;
            }
        }

        return true;
    }

    private static uint Digest(ReadOnlySpan<byte> name)
    {
        uint digest = 2_166_136_261;
        foreach (byte c in name)
            digest = (digest ^ c) * 16_777_619;
        return digest;
    }
}
