using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What has changed in a slice since its last commit.</summary>
internal sealed class SliceChanges
{
    /// <summary>The number of the commit that will write them.</summary>
    public long Commit { get; private set; } = 1;

    /// <summary>Messages with an outcome; those of one event in their order.</summary>
    public List<FinishedMessage> Finished { get; private set; } = [];

    /// <summary>Messages that were sent and are tried again.</summary>
    public List<FinishedMessage> Deferred { get; private set; } = [];

    /// <summary>Entries that become held messages.</summary>
    public List<OutboxEntry> Stored { get; private set; } = [];

    /// <summary>Held messages that are done.</summary>
    public List<OutboxEntry> Removed { get; private set; } = [];

    /// <summary>Lanes by what their first message has been through; null: nothing any more.</summary>
    public Dictionary<ulong, LaneHistory?> Histories { get; private set; } = [];

    /// <summary>How many messages were sent and answered.</summary>
    public int Answered => Deferred.Count + Finished.Count(one => one.Attempt is not null);

    /// <summary>Every attempt that was made, with the position of its message; a dry run makes none.</summary>
    public IEnumerable<(long Position, DeliveryAttempt Attempt)> Sent => Finished.Concat(Deferred)
        .Where(one => one.Attempt is { Verdict: not DeliveryVerdict.DryRun })
        .Select(one => (one.Entry.Position, one.Attempt!));

    /// <summary>The number of the commit that has everything which happened until now.</summary>
    public long CommitOfNow => IsEmpty ? Commit - 1 : Commit;

    /// <summary>Whether there is nothing to write.</summary>
    public bool IsEmpty =>
        Finished.Count + Deferred.Count + Stored.Count + Removed.Count + Histories.Count == 0;

    public void Finish(FinishedMessage finished, bool isHeld)
    {
        Finished.Add(finished);
        if (isHeld)
        {
            Removed.Add(finished.Entry);
        }
    }

    public void Defer(FinishedMessage deferred, LaneHistory history)
    {
        Deferred.Add(deferred);
        Histories[deferred.Entry.Lane] = history;
    }

    public void Forgive(ulong lane) => Histories[lane] = null;

    /// <returns>The number of the commit that puts it on disk.</returns>
    public long Store(OutboxEntry entry)
    {
        Stored.Add(entry);
        return Commit;
    }

    /// <summary>Hands over what there is and begins anew.</summary>
    public SliceChanges Take()
    {
        var taken = (SliceChanges)MemberwiseClone();
        Commit++;
        (Finished, Deferred, Stored, Removed, Histories) = ([], [], [], [], []);
        return taken;
    }
}
