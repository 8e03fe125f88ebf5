using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>The place of a value in properties: <c>company.id</c> is the property of that name, or else the field
/// <c>id</c> of the property <c>company</c>.</summary>
/// <param name="Text">The path as it was written.</param>
public sealed record TraitPath(string Text)
{
    private readonly string[] _segments = Text.Split('.');

    /// <summary>The value at the path; null if there is none, or a JSON null.</summary>
    public JsonValue? Read(ImmutableDictionary<string, JsonValue> properties)
    {
        if (properties.TryGetValue(Text, out var whole))
        {
            return NotNull(whole);
        }

        return _segments.Length > 1 && properties.TryGetValue(_segments[0], out var outer) && outer.Json[0] is '{'
            ? Inside(outer)
            : null;
    }

    /// <summary>The text of a string, or a number as it stands; null for every other value.</summary>
    public static string? TextOf(JsonValue? value) => value is not { Json: var json }
        ? null
        : json[0] switch
        {
            '"' => Unquoted(json),
            '-' or (>= '0' and <= '9') => json,
            _ => null,
        };

    private static string? Unquoted(string json) => json.Contains('\\')
        ? JsonSerializer.Deserialize(json, PersonJson.Wire.String)!
        : json[1..^1];

    private static JsonValue? NotNull(JsonValue value) => value.Json is "null" ? null : value;

    private JsonValue? Inside(JsonValue outer)
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(outer.Json));
        reader.Read();
        foreach (var segment in _segments.AsSpan(1))
        {
            if (!Enter(ref reader, segment))
            {
                return null;
            }
        }

        return NotNull(JsonText.Read(ref reader));
    }

    // Leaves the reader on the value of the name.
    private static bool Enter(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType is not JsonTokenType.StartObject)
        {
            return false;
        }

        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var isIt = reader.ValueTextEquals(name);
            reader.Read();
            if (isIt)
            {
                return true;
            }

            reader.Skip();
        }

        return false;
    }
}
