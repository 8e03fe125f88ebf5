using System.Globalization;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>One field of a JSON object.</summary>
/// <param name="Name">The name, unescaped.</param>
/// <param name="QuotedName">The name as it stands in the JSON, with its quotes.</param>
/// <param name="Value">The value.</param>
internal readonly record struct JsonField(ReadOnlyMemory<byte> Name, ReadOnlyMemory<byte> QuotedName, JsonSlice Value);

/// <summary>The fields of one JSON object as a JavaScript program would find them: of a repeated name the last value
/// counts, at the place of the first. Values are not parsed, and only their places are kept.</summary>
internal sealed class JsonFields
{
    public static readonly JsonFields Empty = new(default, 0);

    private const int SizeAtFirst = 32;
    private const int LinearSearchMax = 256;

    /// <summary>Where values begin that are written anew; no event is as long.</summary>
    private const int StartOfMade = 1 << 30;

    private static readonly long HashSeed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));

    private readonly ReadOnlyMemory<byte> _json;
    private readonly int _start;
    private Place[] _places = [];
    private ulong[] _hashes = [];
    private Dictionary<int, byte[]>? _unescaped;
    private Dictionary<ulong, int>? _byHash;

    private JsonFields(ReadOnlyMemory<byte> json, int start)
    {
        _json = json;
        _start = start;
    }

    public int Count { get; private set; }

    public JsonField this[int index]
    {
        get
        {
            ref readonly var place = ref _places[index];
            var quoted = _json[place.NameStart..place.NameEnd];
            return new JsonField(_unescaped?.GetValueOrDefault(index) ?? quoted[1..^1], quoted, ValueAt(place));
        }
    }

    /// <summary>Reads the fields of an object; anything else has none.</summary>
    public static JsonFields Of(JsonSlice value)
    {
        if (value.Kind != JsonTokenType.StartObject)
            return Empty;
        int at = 0;
        return Read(value.Text, ref at, value.Start, [], out _);
    }

    /// <summary>Reads the fields of an object or, named by their index, the elements of an array.</summary>
    public static JsonFields OfAny(JsonSlice value)
    {
        if (value.Kind != JsonTokenType.StartArray)
            return Of(value);
        var made = new BodyWriter();
        made.Open((byte)'{');
        int index = 0;
        foreach (var element in JsContainer.Of(value).Elements)
        {
            made.QuotedName(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"\"{index++}\"")));
            made.Raw(element.Slice.Text.Span);
        }

        return OfMade(made);
    }

    /// <summary>Lays the fields of another object over these.</summary>
    public JsonFields With(JsonFields over)
    {
        if (over.Count == 0)
            return this;
        var made = new BodyWriter();
        made.Open((byte)'{');
        foreach (var fields in (JsonFields[])[this, over])
        {
            for (int i = 0; i < fields.Count; i++)
            {
                made.QuotedName(fields[i].QuotedName.Span);
                made.Raw(fields[i].Value.Text.Span);
            }
        }

        return OfMade(made);
    }

    /// <summary>Reads an event's own fields and, in the same pass, those of its <c>properties</c>.</summary>
    public static JsonFields OfEvent(ReadOnlyMemory<byte> json, out JsonFields properties)
    {
        int at = json.Span.IndexOf((byte)'{');
        var fields = Read(json, ref at, 0, "properties"u8, out var inner);
        properties = inner ?? Empty;
        return fields;
    }

    /// <summary>The value of a name; undefined if there is none.</summary>
    public JsonSlice Find(ReadOnlySpan<byte> name)
    {
        int index = IndexOf(name, Hash(name));
        return index < 0 ? default : ValueAt(_places[index]);
    }

    private static JsonFields OfMade(BodyWriter made)
    {
        made.Close((byte)'}');
        int at = 0;
        return Read(made.ToBody(), ref at, StartOfMade, [], out _);
    }

    /// <summary>Reads the object that begins at <paramref name="at"/> and leaves <paramref name="at"/> behind
    /// it.</summary>
    private static JsonFields Read(
        ReadOnlyMemory<byte> json, ref int at, int start, ReadOnlySpan<byte> open, out JsonFields? opened)
    {
        opened = null;
        var span = json.Span;
        var fields = new JsonFields(json, start);
        at = JsonScan.SkipTo(span, at + 1);
        while (span[at] != '}')
        {
            int nameStart = at;
            int nameEnd = JsonScan.EndOfString(span, at, out bool isEscaped);
            var quoted = span[nameStart..nameEnd];
            byte[]? unescaped = isEscaped ? Unescape(quoted) : null;
            var name = isEscaped ? unescaped : quoted[1..^1];
            int valueAt = JsonScan.SkipTo(span, nameEnd);
            var kind = JsonScan.KindOf(span[valueAt]);
            at = valueAt;
            bool isOpened = !open.IsEmpty && name.SequenceEqual(open);
            if (isOpened)
                opened = null;
            if (isOpened && kind == JsonTokenType.StartObject)
                opened = Read(json, ref at, start, [], out _);
            else
                at = JsonScan.EndOfValue(span, at);
            fields.Put(name, unescaped, new Place(nameStart, nameEnd, valueAt, at, kind));
            at = JsonScan.SkipTo(span, at);
        }

        at++;
        return fields;
    }

    private static byte[] Unescape(ReadOnlySpan<byte> quoted)
    {
        var reader = new Utf8JsonReader(quoted);
        reader.Read();
        var name = new byte[quoted.Length];
        return name[..reader.CopyString(name)];
    }

    private static ulong Hash(ReadOnlySpan<byte> name) => XxHash3.HashToUInt64(name, HashSeed);

    private JsonSlice ValueAt(in Place place) =>
        new(_json[place.ValueStart..place.ValueEnd], _start + place.ValueStart, place.Kind);

    private void Put(ReadOnlySpan<byte> name, byte[]? unescaped, in Place place)
    {
        ulong hash = Hash(name);
        int index = IndexOf(name, hash);
        if (index >= 0)
        {
            var first = _places[index];
            _places[index] = place with { NameStart = first.NameStart, NameEnd = first.NameEnd };
            return;
        }

        if (Count == _places.Length)
        {
            int size = Math.Max(Count * 2, SizeAtFirst);
            Array.Resize(ref _places, size);
            Array.Resize(ref _hashes, size);
        }

        if (unescaped is not null)
            (_unescaped ??= [])[Count] = unescaped;
        _places[Count] = place;
        _hashes[Count] = hash;
        _byHash?.TryAdd(hash, Count);
        if (++Count == LinearSearchMax)
            IndexAll();
    }

    private void IndexAll()
    {
        _byHash = new Dictionary<ulong, int>(LinearSearchMax * 2);
        for (int i = 0; i < Count; i++)
            _byHash.TryAdd(_hashes[i], i);
    }

    private int IndexOf(ReadOnlySpan<byte> name, ulong hash)
    {
        int index = _byHash is null
            ? _hashes.AsSpan(0, Count).IndexOf(hash)
            : _byHash.GetValueOrDefault(hash, -1);
        return index >= 0 && NameAt(index).SequenceEqual(name) ? index : -1;
    }

    private ReadOnlySpan<byte> NameAt(int index)
    {
        if (_unescaped is not null && _unescaped.TryGetValue(index, out byte[]? unescaped))
            return unescaped;
        ref readonly var place = ref _places[index];
        return _json.Span[(place.NameStart + 1)..(place.NameEnd - 1)];
    }

    private readonly record struct Place(int NameStart, int NameEnd, int ValueStart, int ValueEnd, JsonTokenType Kind);
}
