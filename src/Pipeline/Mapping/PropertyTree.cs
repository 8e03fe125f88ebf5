namespace VarianceActors.Pipeline.Mapping;

/// <summary>The part of a body that takes its names from the event: <c>properties</c> or <c>traits</c>, written with
/// lodash's rules for paths. Values of the event are shared, as they are in JavaScript: what a path writes into one of
/// them shows wherever it is used.</summary>
internal sealed class PropertyTree(string root)
{
    private readonly JsContainer _body = new(false);
    private readonly Dictionary<int, JsContainer> _opened = [];
    private int _paddingLeft = MappingLimits.PaddingMax;

    /// <summary>What stands under the root name; a hole if nothing was written.</summary>
    public JsItem Root => _body.Properties.GetValueOrDefault(root);

    /// <summary>The container that a value of the event became when a path wrote into it; else null.</summary>
    public JsContainer? Opened(JsonSlice value) => _opened.GetValueOrDefault(value.Start);

    /// <summary>Writes a value under <c>root.name</c>.</summary>
    public void Set(string name, JsonSlice value)
    {
        if (LodashPath.Split(root + "." + name) is not { } path)
            return;
        var target = _body;
        for (int i = 0; i < path.Count - 1; i++)
        {
            var next = Through(target.Get(path[i]), path[i + 1]);
            if (!target.Assign(path[i], next, ref _paddingLeft) || next.Container is null)
                return;
            target = next.Container;
        }

        bool isPrototype = path[^1] == JsContainer.PrototypeName && value.IsContainer;
        target.Assign(path[^1], new JsItem(value, isPrototype ? Open(value) : Opened(value)), ref _paddingLeft);
    }

    private JsItem Through(JsItem current, string nextSegment)
    {
        if (current.IsFunction || current.Container is not null)
            return current;
        return current.Slice.IsContainer
            ? new JsItem(current.Slice, Open(current.Slice))
            : new JsItem(default, new JsContainer(LodashPath.IsIndex(nextSegment)));
    }

    private JsContainer Open(JsonSlice value)
    {
        if (!_opened.TryGetValue(value.Start, out var container))
            _opened[value.Start] = container = JsContainer.Of(value);
        return container;
    }
}
