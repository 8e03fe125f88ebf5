using System.Collections.Immutable;
using System.Text.Json;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What one event says of a group of the connection's type.</summary>
/// <param name="Key">The group's key; null if the event names none.</param>
/// <param name="Type">Its group type; empty if the event does not say it.</param>
/// <param name="IsPersons">Whether the event's person belongs to the group; false for the id that SDKs make up for
/// group calls of nobody.</param>
/// <param name="Set">The group's properties that the event sets; empty unless it is <c>$groupidentify</c>.</param>
public sealed record GroupReading(string? Key, string Type, bool IsPersons, ImmutableArray<NamedValue> Set)
{
    /// <summary>No group.</summary>
    public static readonly GroupReading None = new(null, "", false, []);

    private const string GroupIdentify = "$groupidentify";

    /// <summary>Reads an event; most events are told apart by one search in their bytes.</summary>
    /// <param name="captured">The event.</param>
    /// <param name="groupType">PostHog's group type that stands for accounts; empty means any.</param>
    public static GroupReading Of(CaptureEvent captured, string groupType)
    {
        if (captured.Json.Span.IndexOf("\"$group"u8) < 0)
        {
            return None;
        }

        var found = Find(captured, groupType);
        if (captured.Event is not GroupIdentify)
        {
            return Usable(found.Named) is { } named ? new GroupReading(named, groupType, true, []) : None;
        }

        var isType = found.Type is not null && (groupType.Length == 0 || found.Type == groupType);
        return isType && Usable(found.Key) is { } key
            ? new GroupReading(key, found.Type!, captured.DistinctId != $"${found.Type}_{key}", found.Set)
            : None;
    }

    /// <summary>PostHog's names for what is wrong with a group call (posthog.md A11); empty for any other event.</summary>
    internal static ImmutableArray<string> FaultsOf(CaptureEvent captured)
    {
        if (captured.Event is not GroupIdentify)
        {
            return [];
        }

        var found = Find(captured, "");
        var faults = ImmutableArray.CreateBuilder<string>();
        if (found.Key?.Length > AccountMatching.KeyCharsMax)
        {
            faults.Add(WarningTypes.GroupKeyTooLong);
        }

        if (!found.IsSetReadable)
        {
            faults.Add(WarningTypes.InvalidGroupSet);
        }

        if (Account.TraitBytes(found.Set) > Account.TraitBytesMax)
        {
            faults.Add(WarningTypes.GroupPropertiesSizeViolation);
        }

        return faults.DrainToImmutable();
    }

    private static string? Usable(string? key) =>
        key is { Length: > 0 and <= AccountMatching.KeyCharsMax } ? key : null;

    private static Fields Find(CaptureEvent captured, string groupType)
    {
        var fields = Fields.None;
        var reader = new Utf8JsonReader(captured.Json.Span);
        reader.Read();
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var isProperties = reader.ValueTextEquals("properties"u8);
            reader.Read();
            if (isProperties && reader.TokenType is JsonTokenType.StartObject)
            {
                fields = ReadProperties(ref reader, groupType);
            }
            else
            {
                reader.Skip();
            }
        }

        return fields;
    }

    private static Fields ReadProperties(ref Utf8JsonReader reader, string groupType)
    {
        var fields = Fields.None;
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("$groups"u8))
            {
                fields = fields with { Named = ReadNamed(ref reader, groupType) };
            }
            else if (reader.ValueTextEquals("$group_type"u8))
            {
                fields = fields with { Type = ReadText(ref reader) };
            }
            else if (reader.ValueTextEquals("$group_key"u8))
            {
                fields = fields with { Key = ReadText(ref reader) };
            }
            else if (reader.ValueTextEquals("$group_set"u8))
            {
                reader.Read();
                fields = fields with
                {
                    IsSetReadable = reader.TokenType is JsonTokenType.StartObject or JsonTokenType.Null,
                    Set = ReadSet(ref reader),
                };
            }
            else
            {
                reader.Skip();
            }
        }

        return fields;
    }

    private static string? ReadNamed(ref Utf8JsonReader reader, string groupType)
    {
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartObject)
        {
            reader.Skip();
            return null;
        }

        string? key = null;
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var isIt = groupType.Length == 0 ? key is null : reader.ValueTextEquals(groupType);
            var text = ReadText(ref reader);
            key = isIt ? text : key;
        }

        return key;
    }

    private static string? ReadText(ref Utf8JsonReader reader)
    {
        reader.Read();
        var text = reader.TokenType is JsonTokenType.String or JsonTokenType.Number
            ? TraitPath.TextOf(JsonText.Read(ref reader))
            : null;
        reader.Skip();
        return text;
    }

    private static ImmutableArray<NamedValue> ReadSet(ref Utf8JsonReader reader)
    {
        if (reader.TokenType is not JsonTokenType.StartObject)
        {
            reader.Skip();
            return [];
        }

        var set = new PropertyMap();
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var name = JsonText.Text(ref reader);
            reader.Read();
            set.Put(name, JsonText.Read(ref reader));
        }

        return set.Listed(without: null);
    }

    private readonly record struct Fields(
        string? Named,
        string? Type,
        string? Key,
        ImmutableArray<NamedValue> Set,
        bool IsSetReadable)
    {
        public static readonly Fields None = new(null, null, null, [], true);
    }
}
