using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// Which snapshots of all that waits in a slice need not be sent, because those behind them in their lane tell every trait of
/// theirs anew. It is told the waiting entries from the last one to the first, and keeps hashes alone. As in
/// <see cref="Snapshots.IsSuperseded"/>, nothing behind an alias counts for what lies before it.
/// </summary>
/// <param name="entitiesMax">Of so many contacts and accounts at most it knows what is told of them, the newest first: of further
/// ones all is sent.</param>
internal sealed class NewestSnapshots(int entitiesMax)
{
    private const int NamesPerEntity = 5;
    private readonly Dictionary<ulong, ulong[]> _said = []; // by entity; most entities share one with others
    private readonly Dictionary<ulong, ulong[]> _names = [];
    private readonly Dictionary<ulong, int> _aliases = [];
    private long _namesKept;

    /// <summary>Whether it can tell nothing of earlier entries.</summary>
    private bool IsOver => _aliases.Count > entitiesMax;

    /// <summary>Learns the entry before those that it knows.</summary>
    /// <returns>Whether it is a snapshot that need not be sent.</returns>
    public bool IsSuperseded(OutboxEntry entry)
    {
        if (entry.Message.Kind == MessageKind.Alias)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_aliases, entry.Lane, out _)++;
            return false;
        }

        if (!Snapshots.IsSnapshot(entry.Message.Kind) || entry.IsReplay || entry.IsErased || IsOver)
        {
            return false;
        }

        using var body = entry.Message.ReadBody();
        return IsSuperseded(entry, body.RootElement);
    }

    private bool IsSuperseded(OutboxEntry entry, JsonElement body)
    {
        var (needs, says) = (new SortedSet<ulong>(), new SortedSet<ulong>());
        if (body.TryGetProperty("traits", out var traits))
        {
            Read(traits, 0, needs, says);
        }

        var entity = EntityOf(entry, body);
        if (!_said.TryGetValue(entity, out var said))
        {
            if (_said.Count < entitiesMax && Keep(says) is { } kept)
            {
                _said.Add(entity, kept);
            }

            return false;
        }

        if (needs.All(name => Array.BinarySearch(said, name) >= 0))
        {
            return true;
        }

        says.UnionWith(said);
        _said[entity] = Keep(says) ?? said;
        return false;
    }

    /// <summary>The names as others have them already; null if there are too many different ones.</summary>
    private ulong[]? Keep(SortedSet<ulong> names)
    {
        ulong[] all = [.. names];
        var hash = XxHash3.HashToUInt64(MemoryMarshal.AsBytes<ulong>(all));
        if (_names.TryGetValue(hash, out var kept))
        {
            return kept;
        }

        if (_namesKept + all.Length > (long)NamesPerEntity * entitiesMax)
        {
            return null;
        }

        _namesKept += all.Length;
        return _names[hash] = all;
    }

    private ulong EntityOf(OutboxEntry entry, JsonElement body) => Hash(string.Join(
        '\n',
        entry.Message.Kind,
        entry.Lane,
        _aliases.GetValueOrDefault(entry.Lane),
        string.Join('\n', Snapshots.Keys.Select(key => body.TryGetProperty(key, out var id) ? id.GetRawText() : ""))));

    /// <summary>Objects may be merged by the receiver name by name; any other value is replaced as a whole.</summary>
    private static void Read(JsonElement value, ulong path, SortedSet<ulong> needs, SortedSet<ulong> says)
    {
        says.Add(path);
        if (value.ValueKind != JsonValueKind.Object)
        {
            needs.Add(path);
            return;
        }

        var isObject = ~path; // no name leads there
        needs.Add(isObject);
        says.Add(isObject);
        foreach (var trait in value.EnumerateObject())
        {
            Read(trait.Value, Hash($"{path} {trait.Name}"), needs, says);
        }
    }

    private static ulong Hash(string text) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(text));
}

/// <summary>Places of messages, at a bit for each.</summary>
internal sealed class SupersededPlaces
{
    private readonly Dictionary<long, ulong> _bits = [];

    /// <summary>Adds one.</summary>
    public void Add(long position) =>
        CollectionsMarshal.GetValueRefOrAddDefault(_bits, position >> 6, out _) |= 1UL << (int)(position & 63);

    /// <summary>Whether it was added.</summary>
    public bool Contains(long position) => (_bits.GetValueOrDefault(position >> 6) >> (int)(position & 63) & 1) == 1;
}
