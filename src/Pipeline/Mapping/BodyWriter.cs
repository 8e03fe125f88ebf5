using System.Buffers;
using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>Writes one body. Values of the event are copied as they stand wherever JavaScript would print them the
/// same.</summary>
internal sealed class BodyWriter
{
    private static readonly byte[] LibraryJson = Encoding.UTF8.GetBytes(
        $$"""{"name":"variance-actors","version":"{{typeof(BodyWriter).Assembly.GetName().Version!.ToString(3)}}"}""");

    private const int SizeAtFirst = 4096;
    private const int SizeKeptMax = 65_536;

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _spare;

    private readonly ArrayBufferWriter<byte> _buffer;

    public BodyWriter()
    {
        _buffer = _spare ?? new ArrayBufferWriter<byte>(SizeAtFirst);
        _spare = null;
        _buffer.ResetWrittenCount();
    }

    /// <summary>Ends the writing. The buffer goes on to the next writer of this thread.</summary>
    public ReadOnlyMemory<byte> ToBody()
    {
        var body = _buffer.WrittenSpan.ToArray();
        if (_buffer.Capacity <= SizeKeptMax)
            _spare = _buffer;
        return body;
    }

    public void Open(byte bracket)
    {
        Separate();
        Byte(bracket);
    }

    public void Close(byte bracket) => Byte(bracket);

    /// <summary>Writes a name of our own, which needs no escaping.</summary>
    public void Name(ReadOnlySpan<byte> name)
    {
        Separate();
        Byte((byte)'"');
        _buffer.Write(name);
        _buffer.Write("\":"u8);
    }

    /// <summary>Writes a name with quotes and escapes as it stands in the event.</summary>
    public void QuotedName(ReadOnlySpan<byte> quoted)
    {
        Separate();
        _buffer.Write(quoted);
        Byte((byte)':');
    }

    public void String(string value) => Raw(JsonSlice.OfString(value).Text.Span);

    /// <summary>Writes a field; nothing if the value is missing or null.</summary>
    public void Field(ReadOnlySpan<byte> name, JsonSlice value, NamedValues? named = null)
    {
        if (!value.IsDefined)
            return;
        Name(name);
        if (named?.Opened(value) is { } opened)
            Value(opened);
        else
            Value(value);
    }

    public void Field(ReadOnlySpan<byte> name, string value)
    {
        Name(name);
        String(value);
    }

    /// <summary>Writes an object with one field.</summary>
    public void Nested(ReadOnlySpan<byte> outer, ReadOnlySpan<byte> name, JsonSlice value, NamedValues? named = null)
    {
        Name(outer);
        Open((byte)'{');
        Field(name, value, named);
        Close((byte)'}');
    }

    /// <summary>Writes the properties of a change of stage: <c>{from, to, rule}</c>; no stage is null.</summary>
    public void Stage(StageMove move)
    {
        Name("properties"u8);
        Open((byte)'{');
        FieldOrNull("from"u8, move.From);
        FieldOrNull("to"u8, move.To);
        Field("rule"u8, move.Rule);
        Close((byte)'}');
    }

    /// <summary>Names the program that made the message: <c>{name, version}</c>.</summary>
    public void Library(ReadOnlySpan<byte> name)
    {
        Name(name);
        Raw(LibraryJson);
    }

    /// <summary>Writes JSON text as it is.</summary>
    public void Raw(ReadOnlySpan<byte> json)
    {
        Separate();
        _buffer.Write(json);
    }

    public void Value(JsonSlice value)
    {
        if (value.Kind == JsonTokenType.Number)
            Number(value.Text.Span);
        else if (!value.IsContainer || JsonCanonical.IsCanonical(value.Text.Span))
            Raw(value.Text.Span);
        else
            Value(JsContainer.Of(value));
    }

    public void Value(JsContainer container)
    {
        Open(container.IsArray ? (byte)'[' : (byte)'{');
        if (container.IsArray)
        {
            foreach (var element in container.Elements)
                Element(element);
            Close((byte)']');
            return;
        }

        foreach (var (name, value) in container.Properties)
        {
            if (!value.IsPrinted)
                continue;
            QuotedName(JsonSlice.OfString(name).Text.Span);
            Element(value);
        }

        Close((byte)'}');
    }

    private void FieldOrNull(ReadOnlySpan<byte> name, string? value)
    {
        Name(name);
        if (value is null)
            Raw("null"u8);
        else
            String(value);
    }

    private void Element(JsItem item)
    {
        if (item.Container is { } container)
            Value(container);
        else if (item.IsPrinted)
            Value(item.Slice);
        else
            Raw("null"u8);
    }

    private void Number(ReadOnlySpan<byte> json)
    {
        if (JavaScriptNumber.IsCanonical(json))
        {
            Raw(json);
            return;
        }

        Span<byte> printed = stackalloc byte[JavaScriptNumber.LengthMax];
        Raw(printed[..JavaScriptNumber.Format(json, printed)]);
    }

    private void Separate()
    {
        if (_buffer.WrittenCount > 0 && _buffer.WrittenSpan[^1] is not ((byte)'{' or (byte)'[' or (byte)':'))
            Byte((byte)',');
    }

    private void Byte(byte value)
    {
        _buffer.GetSpan(1)[0] = value;
        _buffer.Advance(1);
    }
}
