using System.Collections.Immutable;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Some rows of what waits in a slice.</summary>
/// <param name="Entries">Those of their messages that wait, the last one first.</param>
/// <param name="From">Where the first row begins; 0 if nothing waits before it.</param>
internal sealed record WaitingPage(ImmutableArray<OutboxEntry> Entries, long From)
{
    /// <summary>The last rows with messages that wait below a position: until so many bytes are read, and at least one.</summary>
    public static WaitingPage Read(Session session, int connection, int deliveryPartition, long below, long bytesMax)
    {
        var progress = DeliveryStatements.ReadProgress(session, connection, deliveryPartition);
        var held = HeldStatements.LastBelow(session, connection, deliveryPartition, below);
        var last = Math.Max(held ?? -1, progress.LastOpen(below) ?? -1);
        var entries = OutboxStatements.ReadBack(session, connection, deliveryPartition, last, bytesMax);
        if (entries.IsEmpty)
        {
            return new WaitingPage([], From: 0);
        }

        var from = entries[^1].Position;
        var isHeld = HeldStatements.Positions(session, connection, deliveryPartition, from, last).ToHashSet();
        return new WaitingPage(
            [.. entries.Where(entry => !progress.IsDone(entry.Position) || isHeld.Contains(entry.Position))], from);
    }
}

/// <summary>One look at all that waits in a slice, from the last message to the first, a page at a time.</summary>
/// <param name="below">What waits lies below this position.</param>
internal sealed class WaitingPass(long below)
{
    /// <summary>Contacts and accounts of a slice, some 40 bytes of memory each while the pass runs.</summary>
    private const int EntitiesMax = 200_000;

    private readonly SupersededPlaces _superseded = new();
    private NewestSnapshots? _newest = new(EntitiesMax);

    /// <summary>What waits lies below this position.</summary>
    public long Below { get; } = below;

    /// <summary>Below which position the next page lies.</summary>
    public long From { get; private set; } = below;

    /// <summary>Whether all has been seen.</summary>
    public bool IsOver => _newest is null;

    /// <summary>The next page was read.</summary>
    public void Add(WaitingPage page)
    {
        foreach (var entry in page.Entries.Where(_newest!.IsSuperseded))
        {
            _superseded.Add(entry.Position);
        }

        From = page.From;
        _newest = From > 0 ? _newest : null;
    }

    /// <summary>Whether a snapshot need not be sent, because those behind it tell every trait of it anew.</summary>
    public bool IsSuperseded(long position) => _superseded.Contains(position);
}
