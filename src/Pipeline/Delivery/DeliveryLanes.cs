using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// The entries that a delivery actor has in memory, by lane. Only the head of a lane may be worked on, so a person's messages
/// leave one after the other; heads of different lanes are taken in the order in which they became heads.
/// </summary>
internal sealed class DeliveryLanes
{
    private readonly Dictionary<ulong, Queue<OutboxEntry>> _lanes = [];
    private readonly Queue<ulong> _ready = [];
    private readonly List<OutboxEntry> _blocked = [];

    /// <summary>How many entries there are.</summary>
    public int Entries { get; private set; }

    /// <summary>The bytes of their bodies.</summary>
    public long Bytes { get; private set; }

    /// <summary>Heads that wait for an entry of another lane.</summary>
    public IReadOnlyList<OutboxEntry> Blocked => _blocked;

    public void Add(OutboxEntry entry)
    {
        Entries++;
        Bytes += entry.Message.Body.Length;
        if (!_lanes.TryGetValue(entry.Lane, out var lane))
        {
            _lanes[entry.Lane] = lane = [];
            _ready.Enqueue(entry.Lane);
        }

        lane.Enqueue(entry);
    }

    /// <summary>Takes a head to work on; it stays the head until it is <see cref="Finish">finished</see>.</summary>
    public bool TryTake(out OutboxEntry head)
    {
        head = _ready.TryDequeue(out var lane) ? _lanes[lane].Peek() : null!;
        return head is not null;
    }

    /// <summary>Puts a head that was taken aside until what it waits for is done.</summary>
    public void Block(OutboxEntry head) => _blocked.Add(head);

    /// <summary>Takes heads whose waiting is over back out of those put aside.</summary>
    public List<OutboxEntry> Unblock(Func<OutboxEntry, bool> isOver)
    {
        var over = _blocked.FindAll(head => isOver(head));
        _blocked.RemoveAll(head => isOver(head));
        return over;
    }

    /// <summary>A head has its outcome; the next entry of its lane becomes the head.</summary>
    public void Finish(OutboxEntry head)
    {
        var lane = _lanes[head.Lane];
        lane.Dequeue();
        if (lane.Count > 0)
        {
            _ready.Enqueue(head.Lane);
        }
        else
        {
            _lanes.Remove(head.Lane);
        }
    }

    /// <summary>Finished entries are committed and leave memory.</summary>
    public void Release(int entries, long bytes)
    {
        Entries -= entries;
        Bytes -= bytes;
    }
}
