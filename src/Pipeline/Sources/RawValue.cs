using System.Text;
using System.Text.Json;

namespace VarianceActors.Pipeline.Sources;

/// <summary>Where a JSON value lies in the payload; default means that there is none.</summary>
internal readonly record struct RawValue(int Start, int Length, JsonTokenType Type)
{
    public bool IsAbsent => Type is JsonTokenType.None or JsonTokenType.Null;

    public bool IsBoolean => Type is JsonTokenType.True or JsonTokenType.False;

    public ReadOnlySpan<byte> In(ReadOnlySpan<byte> json) => json.Slice(Start, Length);

    /// <summary>The characters of a string, still escaped.</summary>
    public ReadOnlySpan<byte> Characters(ReadOnlySpan<byte> json) => json.Slice(Start + 1, Length - 2);

    /// <summary>The text of a string.</summary>
    public string Text(ReadOnlySpan<byte> json)
    {
        var characters = Characters(json);
        if (!characters.Contains((byte)'\\'))
            return Encoding.UTF8.GetString(characters);

        var reader = new Utf8JsonReader(In(json));
        reader.Read();
        return reader.GetString()!;
    }

    /// <summary>Whether two strings have the same text, however they are escaped.</summary>
    public bool TextEquals(RawValue other, ReadOnlySpan<byte> json) =>
        In(json).SequenceEqual(other.In(json)) || string.Equals(Text(json), other.Text(json), StringComparison.Ordinal);

    /// <summary>The text of a string into <paramref name="target"/>; false if it is longer.</summary>
    public bool TryCopyText(ReadOnlySpan<byte> json, Span<byte> target, out ReadOnlySpan<byte> text)
    {
        text = Characters(json);
        if (text.Length > target.Length)
            return false;
        if (!text.Contains((byte)'\\'))
            return true;

        var reader = new Utf8JsonReader(In(json));
        reader.Read();
        text = target[..reader.CopyString(target)];
        return true;
    }
}
