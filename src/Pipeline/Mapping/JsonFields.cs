using System.Globalization;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text.Json;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>One field of a JSON object.</summary>
/// <param name="Name">The name, unescaped.</param>
/// <param name="QuotedName">The name as it stands in the JSON, with its quotes.</param>
/// <param name="Value">The value.</param>
internal readonly record struct JsonField(ReadOnlyMemory<byte> Name, ReadOnlyMemory<byte> QuotedName, JsonSlice Value);

/// <summary>The fields of one JSON object as a JavaScript program would find them: of a repeated name the last value counts, at the
/// place of the first. Values are not parsed.</summary>
internal sealed class JsonFields
{
    public static readonly JsonFields Empty = new();

    private const int SizeAtFirst = 32;
    private const int LinearSearchMax = 256;
    private static readonly long HashSeed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));

    private JsonField[] _fields = [];
    private ulong[] _hashes = [];
    private Dictionary<ulong, int>? _byHash;
    private int _count;

    private JsonFields()
    {
    }

    public ReadOnlySpan<JsonField> All => _fields.AsSpan(0, _count);

    /// <summary>Reads the fields of an object; anything else has none.</summary>
    public static JsonFields Of(JsonSlice value)
    {
        if (value.Kind != JsonTokenType.StartObject)
            return Empty;
        var reader = new Utf8JsonReader(value.Text.Span, MappingLimits.Reader);
        reader.Read();
        return Read(ref reader, value.Text, value.Start, [], out _);
    }

    /// <summary>Reads the fields of an object or, named by their index, the elements of an array.</summary>
    public static JsonFields OfAny(JsonSlice value)
    {
        if (value.Kind != JsonTokenType.StartArray)
            return Of(value);
        var fields = new JsonFields();
        int index = 0;
        foreach (var element in JsContainer.Of(value).Elements)
        {
            var quoted = System.Text.Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"\"{index++}\""));
            fields.Put(new JsonField(quoted.AsMemory()[1..^1], quoted, element.Slice));
        }

        return fields;
    }

    /// <summary>Lays the fields of another object over these.</summary>
    public JsonFields With(JsonFields over)
    {
        if (over._count == 0)
            return this;
        var all = new JsonFields();
        foreach (var field in All)
            all.Put(field);
        foreach (var field in over.All)
            all.Put(field);
        return all;
    }

    /// <summary>Reads an event's own fields and, in the same pass, those of its <c>properties</c>.</summary>
    public static JsonFields OfEvent(ReadOnlyMemory<byte> json, out JsonFields properties)
    {
        var reader = new Utf8JsonReader(json.Span, MappingLimits.Reader);
        reader.Read();
        var fields = Read(ref reader, json, 0, "properties"u8, out var inner);
        properties = inner ?? Empty;
        return fields;
    }

    /// <summary>The value of a name; undefined if there is none.</summary>
    public JsonSlice Find(ReadOnlySpan<byte> name)
    {
        int index = IndexOf(name, Hash(name));
        return index < 0 ? default : _fields[index].Value;
    }

    private static JsonFields Read(
        ref Utf8JsonReader reader, ReadOnlyMemory<byte> json, int start, ReadOnlySpan<byte> open, out JsonFields? opened)
    {
        opened = null;
        var fields = new JsonFields();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var quoted = json.Slice((int)reader.TokenStartIndex, reader.ValueSpan.Length + 2);
            ReadOnlyMemory<byte> name = reader.ValueIsEscaped ? Unescape(ref reader) : quoted[1..^1];
            reader.Read();
            int at = (int)reader.TokenStartIndex;
            var kind = reader.TokenType;
            bool isOpened = !open.IsEmpty && name.Span.SequenceEqual(open);
            if (isOpened)
                opened = null;
            if (isOpened && kind == JsonTokenType.StartObject)
                opened = Read(ref reader, json, start, [], out _);
            else
                reader.Skip();
            int end = (int)reader.BytesConsumed;
            fields.Put(new JsonField(name, quoted, new JsonSlice(json[at..end], start + at, kind)));
        }

        return fields;
    }

    private static byte[] Unescape(ref Utf8JsonReader reader)
    {
        var name = new byte[reader.ValueSpan.Length];
        int length = reader.CopyString(name);
        return name[..length];
    }

    private static ulong Hash(ReadOnlySpan<byte> name) => XxHash3.HashToUInt64(name, HashSeed);

    private void Put(JsonField field)
    {
        ulong hash = Hash(field.Name.Span);
        int index = IndexOf(field.Name.Span, hash);
        if (index >= 0)
        {
            _fields[index] = _fields[index] with { Value = field.Value };
            return;
        }

        if (_count == _fields.Length)
        {
            int size = Math.Max(_count * 2, SizeAtFirst);
            Array.Resize(ref _fields, size);
            Array.Resize(ref _hashes, size);
        }

        _fields[_count] = field;
        _hashes[_count] = hash;
        _byHash?.TryAdd(hash, _count);
        if (++_count == LinearSearchMax)
            IndexAll();
    }

    private void IndexAll()
    {
        _byHash = new Dictionary<ulong, int>(LinearSearchMax * 2);
        for (int i = 0; i < _count; i++)
            _byHash.TryAdd(_hashes[i], i);
    }

    private int IndexOf(ReadOnlySpan<byte> name, ulong hash)
    {
        int index = _byHash is null
            ? _hashes.AsSpan(0, _count).IndexOf(hash)
            : _byHash.GetValueOrDefault(hash, -1);
        return index >= 0 && _fields[index].Name.Span.SequenceEqual(name) ? index : -1;
    }
}
