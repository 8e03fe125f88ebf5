using System.Collections.Frozen;
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
    private PropertyMap? _topSet;
    private PropertyMap? _topSetOnce;
    private PropertyMap? _set;
    private PropertyMap? _setOnce;
    private PropertyMap? _automatic;
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
        var set = new PropertyMap();
        var once = new PropertyMap();
        var osName = _liftsAutomatic ? OsName() : null;
        if (_automatic is not null && _liftsAutomatic)
        {
            LiftAutomatic(set, once, _automatic);
        }

        set.PutAll(_set);
        set.PutAll(_topSet);
        once.PutAll(_setOnce);
        once.PutAll(_topSetOnce);
        if (osName is { } name && !_isServer)
        {
            StandIn(set, AutomaticProperties.Os, name);
            StandIn(once, AutomaticProperties.InitialOs, name);
        }

        var values = set.Listed(osName is null ? null : AutomaticProperties.OsName);
        var first = once.Listed(osName is null ? null : AutomaticProperties.InitialOsName, set);
        return values.IsEmpty && first.IsEmpty && _unset is null
            ? PropertyUpdate.None
            : new PropertyUpdate(values, first, _unset is null ? [] : [.. _unset.Distinct()]);
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
                (_automatic ??= new PropertyMap()).Put(name, JsonText.Read(ref reader));
                break;
        }
    }

    private void LiftAutomatic(
        PropertyMap set,
        PropertyMap once,
        PropertyMap automatic)
    {
        foreach (var (name, value) in automatic)
        {
            if (_isServer && name is AutomaticProperties.Os or AutomaticProperties.OsVersion)
            {
                continue;
            }

            set.Put(name, value);
            once.Put(AutomaticProperties.InitialByName[name], value);
        }
    }

    // Some SDKs say $os_name for $os; it stands in where $os is absent or null and is never kept under its own name.
    private JsonValue? OsName() =>
        _automatic?.Find(AutomaticProperties.OsName) is { Json: not ("null" or "\"\"" or "false" or "0") } name
            ? name
            : null;

    private static void StandIn(PropertyMap values, string name, JsonValue value)
    {
        if (values.Find(name) is null or { Json: "null" })
        {
            values.Put(name, value);
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

    private static PropertyMap? ReadMap(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartObject)
        {
            reader.Skip();
            return null;
        }

        var map = new PropertyMap();
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var name = JsonText.Text(ref reader);
            reader.Read();
            map.Put(name, JsonText.Read(ref reader));
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
}
