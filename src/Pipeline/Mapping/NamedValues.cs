namespace VarianceActors.Pipeline.Mapping;

/// <summary>The part of the plugin's body that takes its names from the event, <c>properties</c> or <c>traits</c>: the
/// fields whose names do not begin with <c>$</c> and whose values are not null. Names are paths; as long as none of
/// them is more than a plain name, the fields are copied as they stand.</summary>
internal sealed class NamedValues
{
    private readonly string _root;
    private readonly JsonFields _fields;
    private readonly PropertyTree? _tree;

    private NamedValues(string root, JsonFields fields, PropertyTree? tree)
    {
        _root = root;
        _fields = fields;
        _tree = tree;
    }

    /// <summary>Takes the fields; if <paramref name="first"/> is given, that value is written before them under its
    /// name.</summary>
    public static NamedValues Of(string root, JsonFields fields, string? first = null, JsonSlice firstValue = default)
    {
        bool hasFirst = first is not null && firstValue.IsDefined;
        if (!hasFirst && AreAllPlain(fields))
            return new NamedValues(root, fields, null);

        var tree = new PropertyTree(root);
        if (hasFirst)
            tree.Set(first!, firstValue);
        foreach (var (name, value) in InOrder(fields))
            tree.Set(name, value);
        return new NamedValues(root, fields, tree);
    }

    /// <summary>What a value of the event became if a path wrote into it; else null.</summary>
    public JsContainer? Opened(JsonSlice value) => _tree?.Opened(value);

    /// <summary>Writes the root name and its value; nothing if no field was taken.</summary>
    public void Write(BodyWriter writer)
    {
        if (_tree is null)
        {
            WritePlain(writer);
            return;
        }

        var root = _tree.Root;
        if (!root.IsPrinted)
            return;
        WriteRootName(writer);
        if (root.Container is { } container)
            writer.Value(container);
        else
            writer.Value(root.Slice);
    }

    private static bool IsTaken(JsonField field) =>
        field.Value.IsDefined && (field.Name.IsEmpty || field.Name.Span[0] != '$');

    private static bool AreAllPlain(JsonFields fields)
    {
        for (int i = 0; i < fields.Count; i++)
        {
            var field = fields[i];
            if (IsTaken(field) && !IsPlain(field.Name.Span))
                return false;
        }

        return true;
    }

    private static bool IsPlain(ReadOnlySpan<byte> name) =>
        name.IndexOfAny((byte)'.', (byte)'[', (byte)']') < 0
        && (name.IsEmpty || name.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        && !name.SequenceEqual("__proto__"u8);

    /// <summary>JavaScript lists names that are array indexes first, in ascending order.</summary>
    private static IEnumerable<(string Name, JsonSlice Value)> InOrder(JsonFields fields)
    {
        var indexed = new SortedList<uint, JsonSlice>();
        var others = new List<(string, JsonSlice)>();
        for (int i = 0; i < fields.Count; i++)
        {
            var field = fields[i];
            if (!IsTaken(field))
                continue;
            string name = JsContainer.Name(field);
            if (LodashPath.IsArrayIndex(name, out uint index))
                indexed[index] = field.Value;
            else
                others.Add((name, field.Value));
        }

        return indexed
            .Select(pair => (pair.Key.ToString(System.Globalization.CultureInfo.InvariantCulture), pair.Value))
            .Concat(others);
    }

    private void WritePlain(BodyWriter writer)
    {
        bool isOpen = false;
        for (int i = 0; i < _fields.Count; i++)
        {
            var field = _fields[i];
            if (!IsTaken(field))
                continue;
            if (!isOpen)
            {
                WriteRootName(writer);
                writer.Open((byte)'{');
                isOpen = true;
            }

            writer.QuotedName(field.QuotedName.Span);
            writer.Value(field.Value);
        }

        if (isOpen)
            writer.Close((byte)'}');
    }

    private void WriteRootName(BodyWriter writer) => writer.Name(_root == "traits" ? "traits"u8 : "properties"u8);
}
