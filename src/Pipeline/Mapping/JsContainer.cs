using System.Globalization;
using System.Text;
using System.Text.Json;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>What an object or array of a JavaScript program holds at one place: a value of the event, a container that
/// paths have written to, or a function that every object has. The default is a hole.</summary>
internal readonly record struct JsItem(JsonSlice Slice, JsContainer? Container = null, bool IsFunction = false)
{
    public bool IsPrinted => Container is not null || Slice.Kind != JsonTokenType.None;
}

/// <summary>A JavaScript object or array that paths can write into.</summary>
internal sealed class JsContainer(bool isArray)
{
    public const string PrototypeName = "__proto__";

    private static readonly HashSet<string> InheritedFunctions =
    [
        "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString",
        "valueOf", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
    ];

    private JsContainer? _prototype;

    public bool IsArray => isArray;

    public Dictionary<string, JsItem> Properties { get; } = [];

    public List<JsItem> Elements { get; } = [];

    /// <summary>Reads an object or array of the event, one level deep.</summary>
    public static JsContainer Of(JsonSlice value)
    {
        if (value.Kind == JsonTokenType.StartArray)
            return OfArray(value);
        var container = new JsContainer(false);
        var fields = JsonFields.Of(value);
        for (int i = 0; i < fields.Count; i++)
            container.Properties[Name(fields[i])] = new JsItem(fields[i].Value);
        return container;
    }

    public static string Name(JsonField field) => Encoding.UTF8.GetString(field.Name.Span);

    /// <summary>The elements of an array of the event.</summary>
    public static JsContainer OfArray(JsonSlice value)
    {
        var container = new JsContainer(true);
        var span = value.Text.Span;
        int at = JsonScan.SkipTo(span, 1);
        while (span[at] != ']')
        {
            int end = JsonScan.EndOfValue(span, at);
            int start = value.Start < 0 ? -1 : value.Start + at;
            container.Elements.Add(new JsItem(new JsonSlice(value.Text[at..end], start, JsonScan.KindOf(span[at]))));
            at = JsonScan.SkipTo(span, end);
        }

        return container;
    }

    /// <summary>Reads a property, inherited ones included; default if there is none.</summary>
    public JsItem Get(string name)
    {
        if (IsArray && LodashPath.IsArrayIndex(name, out uint index) && index < Elements.Count)
            return Elements[(int)index];
        if (Properties.TryGetValue(name, out var own))
            return own;
        if (name == PrototypeName)
            return new JsItem(default, _prototype, IsFunction: _prototype is null);
        return _prototype?.Get(name) ?? new JsItem(default, IsFunction: InheritedFunctions.Contains(name));
    }

    /// <summary>Assigns a property; an array keeps names that are no index, but does not show them. False if nothing
    /// was assigned: a body would become too large, or a program would have failed.</summary>
    public bool Assign(string name, JsItem value, ref int paddingLeft)
    {
        if (name == PrototypeName && !Properties.ContainsKey(name))
        {
            _prototype = value.Container ?? _prototype;
            return _prototype is not null;
        }

        if (IsArray && name == "length")
            return Resize(value, ref paddingLeft);
        if (IsArray && LodashPath.IsArrayIndex(name, out uint index))
            return AssignElement(index, value, ref paddingLeft);
        Properties[name] = value;
        return true;
    }

    private bool AssignElement(uint index, JsItem value, ref int paddingLeft)
    {
        if (index >= Elements.Count && !Pad(index + 1L, ref paddingLeft))
            return false;
        Elements[(int)index] = value;
        return true;
    }

    private bool Resize(JsItem value, ref int paddingLeft)
    {
        long length = Length(value);
        if (length < 0 || !Pad(length, ref paddingLeft))
            return false;
        if (length < Elements.Count)
            Elements.RemoveRange((int)length, Elements.Count - (int)length);
        return true;
    }

    private bool Pad(long length, ref int paddingLeft)
    {
        long missing = length - Elements.Count;
        if (missing <= 0)
            return true;
        if (missing > paddingLeft + 1)
            return false;
        paddingLeft -= (int)missing - 1;
        Elements.AddRange(Enumerable.Repeat(default(JsItem), (int)missing));
        return true;
    }

    private static long Length(JsItem value)
    {
        double length = value.Container is { } container ? ToNumber(container) : ToNumber(value.Slice);
        return length is >= 0 and <= uint.MaxValue && double.IsInteger(length) ? (long)length : -1;
    }

    private static double ToNumber(JsContainer container) => (container.IsArray, container.Elements.Count) switch
    {
        (true, 0) => 0,
        (true, 1) when container.Elements[0] is { Container: { } inner } => ToNumber(inner),
        (true, 1) when container.Elements[0].Slice.Kind is not (JsonTokenType.True or JsonTokenType.False) =>
            ToNumber(container.Elements[0].Slice),
        _ => double.NaN,
    };

    private static double ToNumber(JsonSlice value) => value.Kind switch
    {
        JsonTokenType.Number => JavaScriptNumber.Parse(value.Text.Span),
        JsonTokenType.True => 1,
        JsonTokenType.False or JsonTokenType.Null => 0,
        JsonTokenType.StartArray => ToNumber(OfArray(value)),
        JsonTokenType.String when string.IsNullOrWhiteSpace(value.AsString()) => 0,
        JsonTokenType.String => double.TryParse(value.AsString(), CultureInfo.InvariantCulture, out double number)
            ? number
            : double.NaN,
        _ => double.NaN,
    };
}
