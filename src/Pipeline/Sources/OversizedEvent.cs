using System.Text.Json;

namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// What is kept of an event above <see cref="SourcesOptions.EventBytesMax"/>, which PostHog takes and loses later:
/// enough to find it in the ledger, and little memory whichever of its fields is the large one.
/// </summary>
internal static class OversizedEvent
{
    /// <summary>Longest name that is kept, in UTF-16 units.</summary>
    private const int NameLengthMax = 200;

    /// <summary>The JSON that stands for it.</summary>
    public static readonly ReadOnlyMemory<byte> Json = "{}"u8.ToArray();

    public static bool Is(in EventDraft draft, SourcesOptions limits) => draft.Whole.Length > limits.EventBytesMax;

    /// <summary>The event's name, cut if it is long; empty if it is absent or over the limit by itself.</summary>
    public static string Name(RawValue name, ReadOnlySpan<byte> json, SourcesOptions limits)
    {
        if (name.Type != JsonTokenType.String || name.Length > limits.EventBytesMax)
            return "";

        var text = name.Text(json).Replace('\0', '\uFFFD');
        return text.Length <= NameLengthMax ? text
            : char.IsHighSurrogate(text[NameLengthMax - 1]) ? text[..(NameLengthMax - 1)]
            : text[..NameLengthMax];
    }
}
