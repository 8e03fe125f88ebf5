using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What a lane does.</summary>
internal enum LaneState
{
    /// <summary>Its first entry may be worked on.</summary>
    Ready,

    /// <summary>Its first entry is being worked on.</summary>
    Sending,

    /// <summary>Its first entry waits for an entry of another lane.</summary>
    Blocked,

    /// <summary>Its first entry waits for its next attempt; all its entries are on disk.</summary>
    Waiting,

    /// <summary>It could go on; its entries are on disk.</summary>
    Stored,

    /// <summary>Its entries are being read.</summary>
    Loading,
}

/// <summary>The places for lanes that are tried again.</summary>
/// <param name="TryTake">Takes one for backfill or for live traffic; false if there is none.</param>
/// <param name="GiveBack">Gives one back.</param>
internal sealed record RetryPlaces(Func<bool, bool> TryTake, Action<bool> GiveBack);

/// <summary>A lane that is not empty: some entries in memory, and behind them some on disk as held messages.</summary>
internal sealed class DeliveryLane(ulong key)
{
    public ulong Key { get; } = key;

    public Queue<OutboxEntry> Entries { get; } = [];

    /// <summary>How many entries lie on disk behind those in memory.</summary>
    public long StoredCount { get; set; }

    /// <summary>The highest position that was ever put on disk: up to here every entry is a held message.</summary>
    public long StoredUpTo { get; set; } = -1;

    /// <summary>The highest position that is done: its row may still be there until the next commit.</summary>
    public long DoneUpTo { get; set; } = -1;

    /// <summary>The commit that puts the last of them on disk.</summary>
    public long StoredIn { get; set; }

    /// <summary>What the first entry has been through; null if it was never sent.</summary>
    public LaneHistory? History { get; set; }

    public LaneState State { get; set; } = LaneState.Stored;

    /// <summary>Since when the first entry is worked on or blocked.</summary>
    public DateTimeOffset Since { get; set; }

    /// <summary>Whether there may be replays on disk that must be looked at before they are sent.</summary>
    public bool HasReplays { get; set; }

    /// <summary>Whether it is in memory to be tried again.</summary>
    public bool IsSuspect { get; set; }

    /// <summary>Whether its first entry, which waits to be tried again, is backfill.</summary>
    public bool IsBackfill { get; set; }

    public bool IsHeld(OutboxEntry entry) => entry.Position <= StoredUpTo;
}

/// <summary>
/// The lanes of a slice, and the entries of them that are in memory. Only the first entry of a lane may be worked on, so a
/// person's messages leave one after the other. A lane whose first entry waits gives its memory up: its entries, also those
/// that are read later, go to disk as held messages and come back when it may go on. Backfill beyond what may be in memory is
/// shelved: of such a lane hardly more than its number is known.
/// </summary>
/// <param name="changes">What the next commit writes.</param>
/// <param name="suspectsMax">Lanes in memory at most that are tried again.</param>
/// <param name="backfillMax">Messages of backfill in memory at most.</param>
/// <param name="waitMax">The longest time for which a lane waits.</param>
/// <param name="retries">Where a lane that is tried again has its place.</param>
internal sealed class DeliveryLanes(
    SliceChanges changes, int suspectsMax, int backfillMax, TimeSpan waitMax, RetryPlaces retries)
{
    private readonly Dictionary<ulong, DeliveryLane> _lanes = [];
    private readonly Queue<DeliveryLane> _marks = [];
    private readonly Queue<DeliveryLane> _readyLive = [];
    private readonly Queue<DeliveryLane> _readyBackfill = [];
    private readonly Queue<DeliveryLane> _stored = [];
    private readonly Queue<DeliveryLane> _due = [];
    private readonly Queue<DeliveryLane> _dueBackfill = [];
    private readonly Dictionary<ulong, ShelvedLane> _shelf = [];
    private readonly Queue<ulong> _shelved = []; // may name lanes that have left the shelf
    private readonly Queue<ulong> _wanted = []; // likewise
    private readonly PriorityQueue<DeliveryLane, DateTimeOffset> _waiting = new();
    private readonly List<DeliveryLane> _blocked = [];
    private int _suspects;
    private int _backfillSuspects;
    private int _backfill;

    /// <summary>How many lanes there are, without those that are shelved.</summary>
    public int Count => _lanes.Count;

    /// <summary>How many lanes are shelved.</summary>
    public int Shelved => _shelf.Count;

    /// <summary>How many entries are in memory, also those that are not committed yet.</summary>
    public int Entries { get; private set; }

    /// <summary>How many of them take up the window: the marks that blocked lanes have in memory must never keep out what
    /// they wait for.</summary>
    public int InWindow => Entries - _blocked.Count;

    /// <summary>The bytes of their bodies.</summary>
    public long Bytes { get; private set; }

    /// <summary>Lanes whose first entry waits for an entry of another lane.</summary>
    public IReadOnlyList<DeliveryLane> Blocked => _blocked;

    /// <summary>When the next waiting lane may go on; null if none waits.</summary>
    public DateTimeOffset? NextAttemptAt => _waiting.TryPeek(out _, out var at) ? at : null;

    /// <summary>How many lanes are ready.</summary>
    public int Ready(bool backfill) => (backfill ? _readyBackfill : _readyLive).Count;

    /// <summary>A lane as it was before a restart.</summary>
    public void Restore(HeldLane held)
    {
        if (held is { IsBackfill: true, History: null })
        {
            _shelf.Add(held.Lane, new ShelvedLane(held.Messages, held.LastPosition, -1, 0, HasReplays: true, held.IsWanted));
            (held.IsWanted ? _wanted : _shelved).Enqueue(held.Lane);
            return;
        }

        var lane = new DeliveryLane(held.Lane)
        {
            StoredCount = held.Messages,
            StoredUpTo = held.LastPosition,
            History = held.History,
            HasReplays = true,
            IsBackfill = held.IsBackfill,
        };
        _lanes.Add(lane.Key, lane);
        if (held.History is null)
        {
            _stored.Enqueue(lane);
        }
        else
        {
            Wait(lane, held.History);
        }
    }

    /// <summary>An entry was read from the outbox.</summary>
    public void Add(OutboxEntry entry)
    {
        Admit(entry);
        var isTooMuch = entry.IsBackfill && _backfill >= backfillMax;
        var isLookedAt = MustBeLookedAt(entry);
        if (!_lanes.TryGetValue(entry.Lane, out var lane))
        {
            if (isTooMuch || _shelf.ContainsKey(entry.Lane))
            {
                Shelve(entry, isLookedAt);
                return;
            }

            _lanes[entry.Lane] = lane = new DeliveryLane(entry.Lane) { HasReplays = isLookedAt };
            if (isLookedAt)
            {
                Store(lane, entry);
                _stored.Enqueue(lane);
                return;
            }

            Keep(lane, entry);
            MakeReady(lane);
            return;
        }

        lane.HasReplays |= isLookedAt;
        if (lane.StoredCount > 0 || lane.State is LaneState.Waiting or LaneState.Stored or LaneState.Loading)
        {
            Store(lane, entry);
        }
        else if (isTooMuch || isLookedAt || (entry.IsBackfill && lane.State is LaneState.Blocked))
        {
            Spill(lane, keep: 1);
            Store(lane, entry);
        }
        else
        {
            Keep(lane, entry);
        }
    }

    /// <summary>A dead letter that tells a state is read back from disk when it is the first of its lane: what was in front of it
    /// is committed by then, and may have overtaken it.</summary>
    public static bool MustBeLookedAt(OutboxEntry entry) => entry.IsReplay && Snapshots.IsSnapshot(entry.Message.Kind);

    /// <summary>Takes a lane whose first entry is a mark, which needs no permit.</summary>
    public DeliveryLane? TakeMark() => _marks.TryDequeue(out var lane) ? lane : null;

    /// <summary>Shows the lane that is next to be worked on.</summary>
    public DeliveryLane? PeekReady(bool backfill) =>
        (backfill ? _readyBackfill : _readyLive).TryPeek(out var lane) ? lane : null;

    /// <summary>Takes the lane that <see cref="PeekReady"/> shows.</summary>
    public void TakeReady(bool backfill, DateTimeOffset now)
    {
        var lane = (backfill ? _readyBackfill : _readyLive).Dequeue();
        (lane.State, lane.Since) = (LaneState.Sending, now);
    }

    /// <summary>The first entry of a lane says something else from now on.</summary>
    public void Change(DeliveryLane lane, OutboxEntry first)
    {
        Bytes += first.Message.Body.Length - lane.Entries.Peek().Message.Body.Length;
        OutboxEntry[] others = [.. lane.Entries.Skip(1)];
        lane.Entries.Clear();
        lane.Entries.Enqueue(first);
        foreach (var entry in others)
        {
            lane.Entries.Enqueue(entry);
        }
    }

    /// <summary>The lane that an entry is the first of.</summary>
    public DeliveryLane LaneOf(OutboxEntry entry) => _lanes[entry.Lane];

    /// <summary>Puts a lane aside until what its first entry waits for is done.</summary>
    public void Block(DeliveryLane lane, DateTimeOffset now)
    {
        (lane.State, lane.Since) = (LaneState.Blocked, now);
        _blocked.Add(lane);
        if (lane.Entries.Skip(1).Any(entry => entry.IsBackfill))
        {
            Spill(lane, keep: 1); // what it waits for may be shelved, and must not be kept out by those who wait
        }
    }

    /// <summary>The actor ends: whoever is tried again gives its place up.</summary>
    public void Leave()
    {
        foreach (var lane in _lanes.Values.Where(lane => lane.IsSuspect))
        {
            StopSuspecting(lane);
        }
    }

    /// <summary>What the first entry of a blocked lane waits for is done.</summary>
    public void Unblock(DeliveryLane lane) => _blocked.Remove(lane);

    /// <summary>The first entry of a lane is done; the next one becomes the first.</summary>
    public void End(DeliveryLane lane, DeliveryOutcome outcome, DeliveryAttempt? attempt)
    {
        var wasBackfill = lane.Entries.Peek().IsBackfill;
        Finish(lane, outcome, attempt);
        Forgive(lane);
        if (lane.Entries.Count > 0)
        {
            MakeReady(lane);
        }
        else if (lane.StoredCount > 0)
        {
            lane.State = LaneState.Stored;
            lane.StoredIn = lane.HasReplays ? changes.Commit : lane.StoredIn;
            if (wasBackfill && _backfill >= backfillMax)
            {
                Shelve(lane);
            }
            else
            {
                _stored.Enqueue(lane);
            }
        }
        else
        {
            _lanes.Remove(lane.Key);
        }
    }

    /// <summary>The first entry of a lane is tried again later: everything of the lane goes to disk.</summary>
    public void Defer(DeliveryLane lane, DeliveryOutcome.RetryLater outcome, DeliveryAttempt attempt)
    {
        var first = lane.Entries.Peek();
        changes.Defer(new FinishedMessage(first, outcome) { Attempt = attempt }, outcome.History);
        Spill(lane, keep: 0);
        lane.History = outcome.History;
        Wait(lane, outcome.History);
        lane.IsBackfill = first.IsBackfill;
    }

    /// <summary>Puts entries behind the first one on disk, for lanes that have been at their first one for too long.</summary>
    public void SpillSlow(DateTimeOffset before)
    {
        foreach (var lane in _lanes.Values)
        {
            if (lane.State is LaneState.Sending or LaneState.Blocked && lane.Since <= before && lane.Entries.Count > 1)
            {
                Spill(lane, keep: 1);
            }
        }
    }

    /// <summary>Takes lanes whose entries on disk should be read now.</summary>
    /// <param name="now">The time.</param>
    /// <param name="committed">The last commit that is on disk.</param>
    /// <param name="lanesMax">At most so many.</param>
    public List<DeliveryLane> TakeToLoad(DateTimeOffset now, long committed, int lanesMax)
    {
        // None waits for longer, unless the clock was turned back.
        while (_waiting.TryPeek(out var waiting, out var at) && (at <= now || at - now > waitMax))
        {
            _waiting.Dequeue();
            waiting.State = LaneState.Stored;
            (waiting.IsBackfill ? _dueBackfill : _due).Enqueue(waiting);
        }

        var lanes = new List<DeliveryLane>();
        Take(_stored, () => true);
        Take(_due, () => _suspects < suspectsMax);
        Take(_dueBackfill, () => _suspects < suspectsMax && _backfillSuspects < Math.Max(1, suspectsMax / 2));
        TakeShelved(_wanted, backfillMax);
        TakeShelved(_shelved, backfillMax / 2);
        return lanes;

        void TakeShelved(Queue<ulong> queue, int max)
        {
            for (var left = queue.Count; left > 0 && lanes.Count < lanesMax && _backfill < max; left--)
            {
                var key = queue.Dequeue();
                if (!_shelf.TryGetValue(key, out var shelved))
                {
                    continue;
                }

                if (shelved.StoredIn > committed)
                {
                    queue.Enqueue(key);
                    continue;
                }

                _shelf.Remove(key);
                var lane = new DeliveryLane(key)
                {
                    StoredCount = shelved.StoredCount,
                    StoredUpTo = shelved.StoredUpTo,
                    DoneUpTo = shelved.DoneUpTo,
                    StoredIn = shelved.StoredIn,
                    HasReplays = shelved.HasReplays,
                    State = LaneState.Loading,
                };
                _lanes.Add(key, lane);
                lanes.Add(lane);
            }
        }

        void Take(Queue<DeliveryLane> queue, Func<bool> mayTake)
        {
            for (var left = queue.Count; left > 0 && lanes.Count < lanesMax && mayTake(); left--)
            {
                var lane = queue.Peek();
                if (lane.StoredIn > committed)
                {
                    queue.Enqueue(queue.Dequeue());
                    continue;
                }

                if (lane.History is not null)
                {
                    if (!retries.TryTake(lane.IsBackfill))
                    {
                        return;
                    }

                    lane.IsSuspect = true;
                    CountSuspect(lane, 1);
                }

                queue.Dequeue();
                lane.State = LaneState.Loading;
                lanes.Add(lane);
            }
        }
    }

    /// <summary>Entries of a lane were read from disk, in their order; it is ready once it <see cref="Begin">begins</see>.</summary>
    public DeliveryLane Load(ulong key, IReadOnlyCollection<OutboxEntry> entries)
    {
        var lane = _lanes[key];
        lane.StoredCount -= entries.Count;
        foreach (var entry in entries)
        {
            Admit(entry);
            Keep(lane, entry);
        }

        return lane;
    }

    /// <summary>The first entry of a lane that was just read need not be sent.</summary>
    public void EndLoaded(DeliveryLane lane, DeliveryOutcome outcome)
    {
        Finish(lane, outcome, attempt: null);
        Forgive(lane);
    }

    /// <summary>A lane that was just read is ready. One that is tried again has one entry in memory, until that is through.</summary>
    public void Begin(DeliveryLane lane)
    {
        if (lane.IsSuspect)
        {
            Spill(lane, keep: 1);
        }

        MakeReady(lane);
    }

    /// <summary>Finished or stored entries are committed and leave memory.</summary>
    public void Release(int entries, long bytes)
    {
        Entries -= entries;
        Bytes -= bytes;
    }

    private void Shelve(OutboxEntry entry, bool isLookedAt)
    {
        var isThere = _shelf.TryGetValue(entry.Lane, out var shelved);
        if (!isThere)
        {
            shelved = new ShelvedLane(0, -1, -1, 0, HasReplays: false, IsWanted: false);
            _shelved.Enqueue(entry.Lane);
        }

        // What others wait for, and live traffic behind backfill, comes before other backfill.
        var isWanted = shelved.IsWanted || !entry.IsBackfill;
        if (isWanted && !shelved.IsWanted)
        {
            _wanted.Enqueue(entry.Lane);
        }

        _shelf[entry.Lane] = new ShelvedLane(
            shelved.StoredCount + 1,
            Math.Max(shelved.StoredUpTo, entry.Position),
            shelved.DoneUpTo,
            changes.Store(entry),
            shelved.HasReplays || isLookedAt,
            isWanted);
    }

    private void Shelve(DeliveryLane lane)
    {
        _lanes.Remove(lane.Key);
        _shelf.Add(lane.Key, new ShelvedLane(
            lane.StoredCount, lane.StoredUpTo, lane.DoneUpTo, lane.StoredIn, lane.HasReplays, IsWanted: true));
        _wanted.Enqueue(lane.Key); // it has begun
    }

    private void Finish(DeliveryLane lane, DeliveryOutcome outcome, DeliveryAttempt? attempt)
    {
        var entry = lane.Entries.Dequeue();
        lane.DoneUpTo = entry.Position;
        changes.Finish(new FinishedMessage(entry, outcome) { Attempt = attempt }, lane.IsHeld(entry));
        _backfill -= entry.IsBackfill ? 1 : 0;
    }

    private void Wait(DeliveryLane lane, LaneHistory history)
    {
        StopSuspecting(lane);
        lane.State = LaneState.Waiting;
        _waiting.Enqueue(lane, history.NextAttemptAt);
    }

    private void Forgive(DeliveryLane lane)
    {
        StopSuspecting(lane);
        if (lane.History is not null)
        {
            lane.History = null;
            changes.Forgive(lane.Key);
        }
    }

    private void StopSuspecting(DeliveryLane lane)
    {
        if (lane.IsSuspect)
        {
            lane.IsSuspect = false;
            CountSuspect(lane, -1);
            retries.GiveBack(lane.IsBackfill);
        }
    }

    private void CountSuspect(DeliveryLane lane, int count)
    {
        _suspects += count;
        _backfillSuspects += lane.IsBackfill ? count : 0;
    }

    private void MakeReady(DeliveryLane lane)
    {
        var first = lane.Entries.Peek();
        lane.State = LaneState.Ready;
        (first.Barrier is not null ? _marks : first.IsBackfill ? _readyBackfill : _readyLive).Enqueue(lane);
    }

    /// <summary>
    /// What lies on disk already is forgotten; the rest is written by the next commit. A first entry that stays in memory
    /// goes to disk with the others: after a restart nothing of a lane may come back before what was in front of it.
    /// </summary>
    private void Spill(DeliveryLane lane, int keep)
    {
        var entries = lane.Entries.ToArray();
        lane.Entries.Clear();
        for (var index = 0; index < entries.Length; index++)
        {
            var entry = entries[index];
            var isHeld = lane.IsHeld(entry);
            if (!isHeld)
            {
                Write(lane, entry);
            }

            if (index < keep)
            {
                lane.Entries.Enqueue(entry);
                if (!isHeld)
                {
                    Admit(entry); // it leaves memory twice: when it is on disk, and when it is finished
                }
            }
            else
            {
                lane.StoredCount++;
                _backfill -= entry.IsBackfill ? 1 : 0;
                if (isHeld)
                {
                    Release(1, entry.Message.Body.Length);
                }
            }
        }
    }

    private void Store(DeliveryLane lane, OutboxEntry entry)
    {
        lane.StoredCount++;
        Write(lane, entry);
    }

    private void Write(DeliveryLane lane, OutboxEntry entry)
    {
        lane.StoredUpTo = Math.Max(lane.StoredUpTo, entry.Position);
        lane.StoredIn = changes.Store(entry);
    }

    private void Keep(DeliveryLane lane, OutboxEntry entry)
    {
        lane.Entries.Enqueue(entry);
        _backfill += entry.IsBackfill ? 1 : 0;
    }

    private void Admit(OutboxEntry entry)
    {
        Entries++;
        Bytes += entry.Message.Body.Length;
    }

    /// <summary>A lane whose entries are all on disk and were never tried; there may be as many of them as an import has
    /// persons.</summary>
    private readonly record struct ShelvedLane(
        long StoredCount, long StoredUpTo, long DoneUpTo, long StoredIn, bool HasReplays, bool IsWanted);
}
