using System.Collections.Immutable;

namespace VarianceActors.Pipeline.People;

/// <summary>Values by unique name, in the order of their first appearance. Few names are the rule: they are compared
/// one
/// by one until there are many.</summary>
internal sealed class PropertyMap
{
    private const int FewNames = 24;

    private readonly List<NamedValue> _values = [];
    private Dictionary<string, int>? _places;

    /// <summary>Adds a value or replaces the one of that name.</summary>
    public void Put(string name, JsonValue value)
    {
        if (Place(name) is >= 0 and var place)
        {
            _values[place] = new NamedValue(name, value);
        }
        else
        {
            Add(name, value);
        }
    }

    /// <summary>Puts all values of another map.</summary>
    public void PutAll(PropertyMap? other)
    {
        foreach (var (name, value) in other?._values ?? [])
        {
            Put(name, value);
        }
    }

    /// <summary>The value of a name, or null if it has none.</summary>
    public JsonValue? Find(string name) => Place(name) is >= 0 and var place ? _values[place].Value : null;

    /// <summary>The values in a row.</summary>
    /// <param name="without">A name to leave out, or null.</param>
    /// <param name="orIn">Names that this map has are left out too.</param>
    public ImmutableArray<NamedValue> Listed(string? without, PropertyMap? orIn = null)
    {
        var values = ImmutableArray.CreateBuilder<NamedValue>(_values.Count);
        foreach (var value in _values)
        {
            if (value.Name != without && (orIn is null || orIn.Place(value.Name) < 0))
            {
                values.Add(value);
            }
        }

        return values.DrainToImmutable();
    }

    public List<NamedValue>.Enumerator GetEnumerator() => _values.GetEnumerator();

    private void Add(string name, JsonValue value)
    {
        _values.Add(new NamedValue(name, value));
        if (_places is not null)
        {
            _places.Add(name, _values.Count - 1);
        }
        else if (_values.Count > FewNames)
        {
            _places = [];
            for (var place = 0; place < _values.Count; place++)
            {
                _places.Add(_values[place].Name, place);
            }
        }
    }

    private int Place(string name)
    {
        if (_places is not null)
        {
            return _places.TryGetValue(name, out var place) ? place : -1;
        }

        for (var place = 0; place < _values.Count; place++)
        {
            if (_values[place].Name == name)
            {
                return place;
            }
        }

        return -1;
    }
}
