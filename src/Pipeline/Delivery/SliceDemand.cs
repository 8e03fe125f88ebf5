using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Metering;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What a slice has to send of one kind.</summary>
/// <param name="Ready">So many messages could be sent.</param>
/// <param name="Free">So many there is room for.</param>
internal readonly record struct SliceNeed(int Ready, int Free);

/// <summary>What a slice and the connection's gate know of each other: permits, needs, and how attempts went.</summary>
internal sealed class SliceDemand(DeliveryId id, int lanesMax, RetryOptions retry)
{
    private const int TakenUntold = 64;
    private readonly HeldPermits _permits = new();
    private readonly SortedDictionary<int, int> _latencies = [];
    private (int Live, int Backfill) _asked;
    private (ResumeMode Mode, DateTimeOffset Before, long? Below) _skip = (ResumeMode.All, DateTimeOffset.UnixEpoch, null);
    private DateTimeOffset? _takenAt;
    private bool _isPlenty;
    private bool _isStopped;
    private bool _isProbe;
    private int _taken;
    private int _delivered;
    private int _failed;
    private int _throttled;
    private string _reason = "";
    private bool _wrongSetup;
    private DateTimeOffset _holdUntil;
    private DateTimeOffset? _throttledSince;
    private ProbeResult? _probe;
    private bool _tellAll;

    /// <summary>When a message of the connection was last answered 2xx, as far as is known here.</summary>
    public DateTimeOffset? TakenAt(DateTimeOffset? onThisNode) => _takenAt > onThisNode || onThisNode is null ? _takenAt : onThisNode;

    /// <summary>Whether a message must not be sent any more, because an operator resumed the connection without it.</summary>
    public bool IsSkipped(OutboxEntry entry) => HasWaited(entry)
        && !entry.IsReplay // an operator asked for this very message
        && entry.Message.Kind != MessageKind.Alias
        && (_skip.Mode == ResumeMode.Since || (_skip.Mode == ResumeMode.Latest && !Snapshots.IsSnapshot(entry.Message.Kind)));

    /// <summary>Whether only the newest of a message's kind is sent, because an operator resumed the connection so.</summary>
    public bool IsCoalesced(OutboxEntry entry) => _skip.Mode == ResumeMode.Latest && HasWaited(entry);

    /// <summary>Below which position only the newest snapshots are sent; null if nothing is to be left out of that kind.</summary>
    public long? LatestBelow => _skip.Mode == ResumeMode.Latest ? _skip.Below : null;

    /// <summary>Whether nothing may leave: the connection is paused, held, or its breaker is open.</summary>
    public bool IsStopped => _isStopped;

    /// <summary>The gate has answered.</summary>
    public void Add(PermitsGranted granted, DateTimeOffset now)
    {
        _skip = (granted.SkipMode, granted.SkipBefore, granted.SkipBelow);
        _takenAt = granted.TakenAt;
        _isPlenty = granted.IsPlenty;
        _isStopped = granted.IsRevoked || granted.IsProbe;
        if (granted.IsRevoked)
        {
            _holdUntil = default; // the gate knows of it, unless an operator has ended it
            GiveUpPermits();
            return;
        }

        _asked = granted.IsProbe
            ? (0, 0)
            : (Math.Max(0, _asked.Live - granted.Live.Length), Math.Max(0, _asked.Backfill - granted.Backfill.Length));
        if (granted.IsProbe)
        {
            GiveUpPermits();
            _isProbe = true;
        }

        _permits.Add(granted, now);
    }

    /// <summary>Whether there is a permit that may be used now.</summary>
    public bool MaySend(bool backfill, DateTimeOffset now)
    {
        DropExpired(now);
        return _permits.NextAt(backfill) <= now;
    }

    /// <summary>Uses a permit.</summary>
    /// <returns>Whether it is for a probe.</returns>
    public bool Use(bool backfill, DateTimeOffset now)
    {
        _permits.TryUse(backfill, now);
        var isProbe = _isProbe;
        _isProbe = false;
        return isProbe;
    }

    /// <summary>When the next permit may be used; null if there is none.</summary>
    public DateTimeOffset? NextPermitAt(bool backfill) => _permits.NextAt(backfill);

    /// <summary>A message was delivered so long after its event was accepted.</summary>
    public void NoteLatency(TimeSpan latency)
    {
        var step = LatencyWindow.StepOf(latency);
        _latencies[step] = _latencies.GetValueOrDefault(step) + 1;
    }

    /// <summary>An attempt is over.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="outcome">What came of it.</param>
    /// <param name="isProbe">Whether it was a probe.</param>
    /// <param name="takenAt">When a message of the connection was last taken, by any slice as far as that is known here.</param>
    public void Note(DeliveryAttempt attempt, DeliveryOutcome outcome, bool isProbe, DateTimeOffset? takenAt)
    {
        var failed = attempt.Verdict is DeliveryVerdict.Retry or DeliveryVerdict.Hold;
        (_taken, _failed) = failed ? (_taken, _failed + 1) : (_taken + 1, _failed);
        _delivered += attempt.Verdict == DeliveryVerdict.Delivered ? 1 : 0;
        _throttled += attempt.Status == 429 ? 1 : 0;
        _reason = failed ? attempt.Reason : _reason;
        _wrongSetup |= outcome is DeliveryOutcome.RetryLater { WrongSetup: true };
        if (isProbe)
        {
            _probe = failed ? ProbeResult.Failed : ProbeResult.Through;
        }

        if (RetryRules.HoldOf(attempt, retry) is { } hold)
        {
            Hold(attempt.At + attempt.Latency, hold, takenAt);
        }
        else if (!failed)
        {
            _throttledSince = null;
        }

        if (_wrongSetup)
        {
            _permits.DropAll();
        }
    }

    /// <summary>One 429 may be about its message or its person. Where nothing of the connection is taken between two, it is about
    /// the sender: all wait.</summary>
    private void Hold(DateTimeOffset at, TimeSpan hold, DateTimeOffset? takenAt)
    {
        if (_throttledSince is null || takenAt > _throttledSince)
        {
            _throttledSince = at;
        }
        else if (at + hold > _holdUntil)
        {
            _holdUntil = at + hold;
            _permits.DropAll();
        }
    }

    /// <summary>A report may have been lost: what is needed is told again.</summary>
    public void Forget()
    {
        _asked = (0, 0);
        _tellAll = true;
    }

    /// <summary>What to tell the gate; null if it knows everything.</summary>
    public ConnectionMessage.SliceReport? TryReport(SliceNeed live, SliceNeed backfill, DateTimeOffset now)
    {
        DropExpired(now);
        var needs = (Live: Need(live, backfill: false), Backfill: Need(backfill, backfill: true));
        var tellAll = _tellAll;
        _tellAll = false;
        if (needs.Live <= _asked.Live
            && needs.Backfill <= _asked.Backfill
            && _failed == 0
            && _probe is null
            && _permits.Unused == 0
            && (_taken == 0 || (_taken < TakenUntold && !tellAll)))
        {
            return null;
        }

        _asked = needs;
        if (_holdUntil - now > retry.RetryAfterMax)
        {
            _holdUntil = now + retry.RetryAfterMax; // the clock was turned back
        }

        var report = new ConnectionMessage.SliceReport(
            id.ConnectionId,
            id.Partition,
            needs.Live,
            needs.Backfill,
            _permits.TakeUnused(),
            _permits.UnusedEpoch,
            _taken,
            _failed,
            _throttled,
            _reason,
            _wrongSetup,
            _probe)
        {
            HoldMilliseconds = _holdUntil > now ? (long)Math.Ceiling((_holdUntil - now).TotalMilliseconds) : null,
            Delivered = _delivered,
            Latencies = _latencies.Count == 0 ? default : [.. _latencies.SelectMany(one => new[] { one.Key, one.Value })],
            At = now.ToUnixTimeMilliseconds(),
        };
        _latencies.Clear();
        (_taken, _delivered, _failed, _throttled, _reason, _wrongSetup, _probe) = (0, 0, 0, 0, "", false, null);
        return report;
    }

    /// <summary>Whether a message is one of those that a resume was about. Clocks differ, so a time alone does not tell, and
    /// only earlier builds say nothing else.</summary>
    private bool HasWaited(OutboxEntry entry) => _skip.Below is { } below
        ? entry.Position < below && (_skip.Mode == ResumeMode.Latest || entry.AcceptedAt < _skip.Before)
        : entry.AcceptedAt < _skip.Before;

    /// <summary>As many as could be sent now; without a limit some in stock, so that nothing waits for the gate's answer.</summary>
    private int Need(SliceNeed need, bool backfill)
    {
        var held = _permits.Count(backfill);
        if (!_isPlenty)
        {
            return Math.Max(0, Math.Min(need.Ready, need.Free) - held);
        }

        return need.Ready > held && held < lanesMax / 2 ? lanesMax - held : 0;
    }

    private void DropExpired(DateTimeOffset now)
    {
        if (_permits.DropExpired(now) && _isProbe)
        {
            (_isProbe, _probe) = (false, ProbeResult.Unused);
        }
    }

    private void GiveUpPermits()
    {
        _permits.DropAll();
        if (_isProbe)
        {
            (_isProbe, _probe) = (false, ProbeResult.Unused);
        }
    }
}
