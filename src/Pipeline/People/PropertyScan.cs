using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.People;

/// <summary>The event's <c>$process_person_profile</c> (posthog.md A8).</summary>
internal enum ProfileFlag
{
    /// <summary>Absent, or the boolean true.</summary>
    True,

    /// <summary>The boolean false.</summary>
    False,

    /// <summary>Anything else; counts as true.</summary>
    Unreadable,
}

/// <summary>An id in the properties of a merge event.</summary>
/// <param name="IsThere">The property exists, be it null.</param>
/// <param name="Text">The id if it is a string.</param>
/// <param name="IsMistyped">Neither a string nor null.</param>
internal readonly record struct NamedId(bool IsThere, string? Text, bool IsMistyped);

/// <summary>One pass over an event's JSON that picks out what concerns persons and builds no tree of the
/// rest.</summary>
internal sealed class PropertyScan
{
    private const int NameCharsMax = 32;
    private const string Set = "$set";
    private const string SetOnce = "$set_once";
    private const string Unset = "$unset";
    private const string Profile = "$process_person_profile";
    private const string Anon = "$anon_distinct_id";
    private const string AliasName = "alias";
    private const string IsServer = "$is_server";

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> KnownNames =
        new[] { Set, SetOnce, Unset, Profile, Anon, AliasName, IsServer }
            .Concat(AutomaticProperties.InitialByName.Keys)
            .ToFrozenSet(StringComparer.Ordinal)
            .GetAlternateLookup<ReadOnlySpan<char>>();

    private readonly bool _liftsAutomatic;
    private Dictionary<string, JsonValue>? _topSet;
    private Dictionary<string, JsonValue>? _topSetOnce;
    private Dictionary<string, JsonValue>? _set;
    private Dictionary<string, JsonValue>? _setOnce;
    private Dictionary<string, JsonValue>? _automatic;
    private List<string>? _unset;
    private bool _isServer;

    private PropertyScan(bool liftsAutomatic) => _liftsAutomatic = liftsAutomatic;

    public ProfileFlag ProfileFlag { get; private set; }

    public NamedId AnonDistinctId { get; private set; }

    public NamedId Alias { get; private set; }

    public static PropertyScan Of(CaptureEvent captured)
    {
        var scan = new PropertyScan(captured.Event is not ("$snapshot" or "$performance_event"));
        var reader = new Utf8JsonReader(captured.Json.Span);
        reader.Read();
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            scan.ReadTop(ref reader);
        }

        return scan;
    }

    /// <summary>Explicit values over automatic ones, the event's top level over its properties.</summary>
    public PropertyUpdate Update()
    {
        var set = new Dictionary<string, JsonValue>();
        var once = new Dictionary<string, JsonValue>();
        if (_automatic is not null && _liftsAutomatic)
        {
            LiftAutomatic(set, once, _automatic);
        }

        Overlay(set, _set);
        Overlay(set, _topSet);
        Overlay(once, _setOnce);
        Overlay(once, _topSetOnce);
        FoldOsName(set, once);
        foreach (var name in set.Keys)
        {
            once.Remove(name);
        }

        return set.Count + once.Count == 0 && _unset is null
            ? PropertyUpdate.None
            : new PropertyUpdate(Listed(set), Listed(once), _unset is null ? [] : [.. _unset.Distinct()]);
    }

    private void ReadTop(ref Utf8JsonReader reader)
    {
        if (reader.ValueTextEquals("properties"u8))
        {
            reader.Read();
            Forget();
            ReadProperties(ref reader);
        }
        else if (reader.ValueTextEquals("$set"u8))
        {
            _topSet = ReadMap(ref reader);
        }
        else if (reader.ValueTextEquals("$set_once"u8))
        {
            _topSetOnce = ReadMap(ref reader);
        }
        else
        {
            reader.Skip();
        }
    }

    // A name that appears twice means its last value.
    private void Forget()
    {
        (_set, _setOnce, _automatic, _unset, _isServer) = (null, null, null, null, false);
        (ProfileFlag, AnonDistinctId, Alias) = (ProfileFlag.True, default, default);
    }

    private void ReadProperties(ref Utf8JsonReader reader)
    {
        if (reader.TokenType is not JsonTokenType.StartObject)
        {
            reader.Skip();
            return;
        }

        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            if (Known(ref reader) is { } name)
            {
                ReadKnown(name, ref reader);
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private void ReadKnown(string name, ref Utf8JsonReader reader)
    {
        switch (name)
        {
            case Set:
                _set = ReadMap(ref reader);
                break;
            case SetOnce:
                _setOnce = ReadMap(ref reader);
                break;
            case Unset:
                _unset = ReadNames(ref reader);
                break;
            case Profile:
                ProfileFlag = ReadFlag(ref reader);
                break;
            case Anon:
                AnonDistinctId = ReadId(ref reader);
                break;
            case AliasName:
                Alias = ReadId(ref reader);
                break;
            case IsServer:
                reader.Read();
                _isServer = reader.TokenType is JsonTokenType.True;
                reader.Skip();
                break;
            default:
                reader.Read();
                (_automatic ??= [])[name] = JsonText.Read(ref reader);
                break;
        }
    }

    private void LiftAutomatic(
        Dictionary<string, JsonValue> set,
        Dictionary<string, JsonValue> once,
        Dictionary<string, JsonValue> automatic)
    {
        foreach (var (name, value) in automatic)
        {
            if (_isServer && name is AutomaticProperties.Os or AutomaticProperties.OsVersion)
            {
                continue;
            }

            set[name] = value;
            once[AutomaticProperties.InitialByName[name]] = value;
        }
    }

    // Some SDKs say $os_name for $os; it stands in where $os is absent or null and is never kept under its own name.
    private void FoldOsName(Dictionary<string, JsonValue> set, Dictionary<string, JsonValue> once)
    {
        if (_automatic is null || !_liftsAutomatic || !_automatic.TryGetValue(AutomaticProperties.OsName, out var name)
            || name.Json is "null" or "\"\"" or "false" or "0")
        {
            return;
        }

        if (!_isServer)
        {
            StandIn(set, AutomaticProperties.Os, name);
            StandIn(once, AutomaticProperties.InitialOs, name);
        }

        set.Remove(AutomaticProperties.OsName);
        once.Remove(AutomaticProperties.InitialOsName);
    }

    private static void StandIn(Dictionary<string, JsonValue> values, string name, JsonValue value)
    {
        if (!values.TryGetValue(name, out var there) || there.Json is "null")
        {
            values[name] = value;
        }
    }

    private static string? Known(ref Utf8JsonReader reader)
    {
        if (reader.ValueIsEscaped)
        {
            return KnownNames.TryGetValue(reader.GetString(), out var spelt) ? spelt : null;
        }

        if (reader.ValueSpan.Length > NameCharsMax)
        {
            return null;
        }

        Span<char> name = stackalloc char[NameCharsMax];
        var length = Encoding.UTF8.GetChars(reader.ValueSpan, name);
        return KnownNames.TryGetValue(name[..length], out var known) ? known : null;
    }

    private static Dictionary<string, JsonValue>? ReadMap(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartObject)
        {
            reader.Skip();
            return null;
        }

        var map = new Dictionary<string, JsonValue>();
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var name = JsonText.Text(ref reader);
            reader.Read();
            map[name] = JsonText.Read(ref reader);
        }

        return map;
    }

    private static List<string>? ReadNames(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType is not (JsonTokenType.StartArray or JsonTokenType.StartObject))
        {
            reader.Skip();
            return null;
        }

        var names = new List<string>();
        while (reader.Read() && reader.TokenType is not (JsonTokenType.EndArray or JsonTokenType.EndObject))
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
            {
                names.Add(JsonText.Text(ref reader));
            }

            reader.Skip();
        }

        return names;
    }

    private static ProfileFlag ReadFlag(ref Utf8JsonReader reader)
    {
        reader.Read();
        var flag = reader.TokenType switch
        {
            JsonTokenType.True => ProfileFlag.True,
            JsonTokenType.False => ProfileFlag.False,
            _ => ProfileFlag.Unreadable,
        };
        reader.Skip();
        return flag;
    }

    private static NamedId ReadId(ref Utf8JsonReader reader)
    {
        reader.Read();
        var id = reader.TokenType switch
        {
            JsonTokenType.String => new NamedId(true, reader.GetString(), false),
            JsonTokenType.Null => new NamedId(true, null, false),
            _ => new NamedId(true, null, true),
        };
        reader.Skip();
        return id;
    }

    private static void Overlay(Dictionary<string, JsonValue> under, Dictionary<string, JsonValue>? over)
    {
        foreach (var (name, value) in over ?? [])
        {
            under[name] = value;
        }
    }

    private static ImmutableArray<NamedValue> Listed(Dictionary<string, JsonValue> values) =>
        [.. values.Select(pair => new NamedValue(pair.Key, pair.Value))];
}
