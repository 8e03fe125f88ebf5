using System.Collections.Immutable;
using VarianceActors.Pipeline.Metering;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>A rate.</summary>
/// <param name="PerSecond">Messages a second; 0: no limit.</param>
/// <param name="Burst">Messages that may leave at once after a quiet time.</param>
public readonly record struct Rate(int PerSecond, int Burst);

/// <summary>What a gate must know after a restart.</summary>
/// <param name="Mode">Whether the connection delivers.</param>
/// <param name="Reason">Why not.</param>
/// <param name="Since">Since when.</param>
/// <param name="ProbeDelay">The wait before the next probe, from which the one after it follows.</param>
/// <param name="ProbeAt">When an open breaker sends its next probe.</param>
/// <param name="SkipMode">What is not sent of what waited when an operator resumed the connection.</param>
/// <param name="SkipBefore">With <see cref="ResumeMode.Since"/>: only of events accepted before this.</param>
/// <param name="RateByHand">The rate that was set while running; null: the configured one holds.</param>
internal sealed record GateState(
    DeliveryMode Mode,
    string Reason,
    DateTimeOffset Since,
    TimeSpan ProbeDelay,
    DateTimeOffset? ProbeAt,
    ResumeMode SkipMode,
    DateTimeOffset SkipBefore,
    Rate? RateByHand)
{
    /// <summary>Until when the receiver wants to be left alone; null if it did not say so.</summary>
    public DateTimeOffset? HoldUntil { get; init; }

    /// <summary>By delivery partition, below which position the messages lay that waited when an operator resumed the connection
    /// without some of them; empty if it was with all, or by an earlier build, which had nothing but the time.</summary>
    public ImmutableArray<long> SkipBelow { get; init; } = [];

    public static GateState New(DateTimeOffset now) => new(
        DeliveryMode.Running, "", now, TimeSpan.Zero, null, ResumeMode.All, DateTimeOffset.UnixEpoch, null);
}

/// <summary>Permits for one slice.</summary>
internal readonly record struct Allotment(int Partition, PermitsGranted Permits);

/// <summary>
/// The gate of a connection: who may send what and when, over the whole cluster. It knows no actor, no clock and no database:
/// every call says what time it is, and nothing here ever waits.
/// </summary>
internal sealed class ConnectionGate
{
    /// <summary>How far ahead permits are granted: long enough to be on their way, short enough to be shared fairly.</summary>
    private static readonly TimeSpan Horizon = TimeSpan.FromMilliseconds(100);

    /// <summary>A probe is alone, so it may be late.</summary>
    private static readonly TimeSpan ProbePatience = TimeSpan.FromSeconds(1);

    private readonly string _connectionId;
    private readonly RateOptions _configured;
    private readonly DeliveryOptions _options;
    private readonly bool _isDryRun;
    private readonly AttemptSample _sample;
    private readonly SortedDictionary<int, (int Live, int Backfill)> _needs = [];
    private readonly Dictionary<int, (long? At, DateTimeOffset Heard)> _asked = [];
    private readonly RecentSpeed _delivered = new();
    private readonly LatencyWindow _latencies = new();
    private readonly PermitSchedule _schedule;
    private AdaptiveRate? _adaptive;
    private (int Partition, DateTimeOffset Until)? _probe;
    private DateTimeOffset? _takenAt;
    private double _backfillCredit;
    private int _lastServed = -1;
    private readonly HashSet<int> _asking = [];
    private bool _revoke;

    /// <summary>The gate, as an earlier one left it.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="configured">Its rate.</param>
    /// <param name="options">The breaker's rules.</param>
    /// <param name="state">The state.</param>
    /// <param name="now">The time.</param>
    /// <param name="isDryRun">Whether there is no receiver: there is no limit then, and no probe shows that it is well. Where
    /// messages are kept for one, they are kept until an operator lets them go.</param>
    public ConnectionGate(
        string connectionId,
        RateOptions configured,
        DeliveryOptions options,
        GateState state,
        DateTimeOffset now,
        bool isDryRun = false)
    {
        (_connectionId, _configured, _options, _isDryRun) = (connectionId, configured, options, isDryRun);
        _sample = new AttemptSample(options.Breaker);
        State = state.Mode is DeliveryMode.Open or DeliveryMode.HalfOpen ? ProbeSoon(state, now) : state;

        // What an earlier gate granted may still be used, so this one begins with nothing, and behind it.
        var rate = SetRate;
        _schedule = new PermitSchedule(rate.PerSecond, rate.Burst, now + Horizon);
        _adaptive = NewAdaptive(now);
    }

    /// <summary>What must outlive a restart.</summary>
    public GateState State { get; private set; }

    /// <summary>When <see cref="Pump"/> has something to do next, if nothing is said before; null: nothing.</summary>
    public DateTimeOffset? PumpAt(DateTimeOffset now)
    {
        var rises = _adaptive?.RisesAt;
        var pump = State.Mode switch
        {
            DeliveryMode.Running when IsHeld(now) => State.HoldUntil,
            DeliveryMode.Running when IsNeeded => _schedule.Next(now) - (Horizon / 2),
            DeliveryMode.Open when IsNeeded && !_isDryRun => State.ProbeAt > State.HoldUntil || State.HoldUntil is null
                ? State.ProbeAt
                : State.HoldUntil,
            DeliveryMode.HalfOpen => _probe?.Until,
            _ => null,
        };
        return pump is null || rises < pump ? rises : pump;
    }

    /// <summary>All that the gate knows.</summary>
    public DeliveryStatus Tell() => new(
        _connectionId,
        State.Mode,
        State.Reason,
        State.Since,
        SetRate.PerSecond,
        SetRate.Burst,
        _adaptive?.Current ?? SetRate.PerSecond,
        _adaptive is not null,
        State.Mode == DeliveryMode.Open ? State.ProbeAt : null,
        _takenAt)
    {
        HoldUntil = State.HoldUntil,
    };

    /// <summary>Messages that all slices together delivered a second, over the last minutes.</summary>
    public double DeliveredPerSecond(DateTimeOffset now) => _delivered.PerSecond(now);

    /// <summary>How long the messages of all slices took in the last minutes; null if there were none.</summary>
    public LatencyPercentiles? Latency(DateTimeOffset now) => _latencies.Read(now);

    /// <summary>A slice has said what it needs and how its attempts went.</summary>
    public void Hear(ConnectionMessage.SliceReport report, DateTimeOffset now)
    {
        _needs[report.Partition] = (report.Live, report.Backfill);
        _asked[report.Partition] = (report.At, now);
        _asking.Add(report.Partition);
        _schedule.Return(report.Unused, report.UnusedEpoch);
        if ((report.Delivered ?? report.Taken) is > 0 and var delivered)
        {
            _takenAt = now;
            _delivered.Add(delivered, now);
        }

        for (var at = 0; !report.Latencies.IsDefault && at + 1 < report.Latencies.Length; at += 2)
        {
            _latencies.Add(report.Latencies[at], report.Latencies[at + 1], now);
        }

        if (report.HoldMilliseconds is { } hold && now + TimeSpan.FromMilliseconds(hold) is var until && !(until <= State.HoldUntil))
        {
            State = State with { HoldUntil = until };
            _revoke = true;
        }

        if (report.Throttled > 0 && _adaptive?.Throttled(now) == true)
        {
            ApplyRate(now);
        }

        var tooMany = _sample.Add(report.Partition, report.Taken, report.Failed, now);
        if (State.Mode == DeliveryMode.Running && (report.WrongSetup || tooMany))
        {
            Open(report.Reason, _options.Breaker.ProbeFirst, now);
        }
        else if (State.Mode == DeliveryMode.HalfOpen && _probe?.Partition == report.Partition && report.Probe is { } result)
        {
            EndProbe(result, report.Reason, now);
        }
    }

    /// <summary>Hands out what may be handed out.</summary>
    public ImmutableArray<Allotment> Pump(DateTimeOffset now)
    {
        TurnBack(now);
        if (_adaptive?.Pass(now) == true)
        {
            ApplyRate(now);
        }

        if (State.Mode == DeliveryMode.HalfOpen && now >= _probe?.Until)
        {
            EndProbe(ProbeResult.Failed, "probe-lost", now);
        }

        var revoked = Revoke(now);
        return State.Mode switch
        {
            DeliveryMode.Running when !IsHeld(now) => [.. revoked, .. Share(now).Select(one => Dated(one, now))],
            DeliveryMode.Open when IsNeeded && !_isDryRun && now >= State.ProbeAt && !IsHeld(now) => [.. revoked, Dated(Probe(now), now)],
            _ => revoked,
        };
    }

    private Allotment Dated(Allotment one, DateTimeOffset now)
    {
        var (at, heard) = _asked[one.Partition];
        return one with { Permits = one.Permits with { AskedAt = at, HeldFor = Math.Max(0, (long)(now - heard).TotalMilliseconds) } };
    }

    /// <summary>An operator stops the connection.</summary>
    public void Pause(DateTimeOffset now)
    {
        if (State.Mode != DeliveryMode.Paused)
        {
            Become(DeliveryMode.Paused, "paused", now);
            _revoke = true;
        }
    }

    /// <summary>An operator lets it go on.</summary>
    /// <param name="mode">With what of that which waits.</param>
    /// <param name="since">For <see cref="ResumeMode.Since"/>, from when on.</param>
    /// <param name="nextPositions">By delivery partition, the position of the next message to come: below it is what waits.</param>
    /// <param name="now">The time.</param>
    public void Resume(ResumeMode mode, DateTimeOffset? since, ImmutableArray<long> nextPositions, DateTimeOffset now)
    {
        var isRunning = State.Mode == DeliveryMode.Running;
        if (isRunning && mode != ResumeMode.All)
        {
            return; // said twice, or of what runs: what has come since then is not what waited
        }

        _sample.Clear();
        _probe = null;
        if (!isRunning)
        {
            Become(DeliveryMode.Running, "", now);
        }

        // To resume with everything takes back what an earlier resume left out, as far as it still waits.
        State = State with
        {
            HoldUntil = null,
            SkipMode = mode,
            SkipBefore = mode switch
            {
                ResumeMode.All => DateTimeOffset.UnixEpoch,
                ResumeMode.Since => since ?? now,
                _ => now,
            },
            SkipBelow = mode == ResumeMode.All ? [] : nextPositions,
        };
        _revoke = true;
    }

    /// <summary>Another rate from now on.</summary>
    public void ChangeRate(Rate rate, DateTimeOffset now)
    {
        State = State with { RateByHand = rate };
        _adaptive = NewAdaptive(now);
        _revoke = true;
        ApplyRate(now);
    }

    /// <summary>Whoever starts a node again may have mended something: nobody waits for the long end of a doubled pause.</summary>
    private GateState ProbeSoon(GateState state, DateTimeOffset now)
    {
        var soon = now + _options.Breaker.ProbeFirst;
        return state with { Mode = DeliveryMode.Open, ProbeAt = state.ProbeAt < soon ? state.ProbeAt : soon };
    }

    /// <summary>Where the clock was turned back, nothing waits for longer than it ever may.</summary>
    private void TurnBack(DateTimeOffset now)
    {
        var (probe, hold, answer) = (now + _options.Breaker.ProbeMax, now + _options.Retry.RetryAfterMax, now + ProbeWait);
        if (State.ProbeAt > probe)
        {
            State = State with { ProbeAt = probe };
        }

        if (State.HoldUntil > hold)
        {
            State = State with { HoldUntil = hold };
        }

        if (_probe is { } sent && sent.Until > answer)
        {
            _probe = sent with { Until = answer };
        }
    }

    /// <summary>How long a probe is waited for.</summary>
    private TimeSpan ProbeWait => _options.Deadline + _options.Deadline;

    private bool IsHeld(DateTimeOffset now) => now < State.HoldUntil;

    private bool IsNeeded => _needs.Values.Any(needs => needs.Live + needs.Backfill > 0);

    private Rate SetRate => State.RateByHand ?? new Rate(_isDryRun ? 0 : _configured.PerSecond, _configured.Burst);

    private AdaptiveRate? NewAdaptive(DateTimeOffset now) => _configured.Adaptive && SetRate.PerSecond > 0
        ? new AdaptiveRate(_configured.PerSecondMin, SetRate.PerSecond, now)
        : null;

    private void ApplyRate(DateTimeOffset now) =>
        _schedule.Change(_adaptive?.Current ?? SetRate.PerSecond, SetRate.Burst, now);

    private void Become(DeliveryMode mode, string reason, DateTimeOffset now) =>
        State = State with { Mode = mode, Reason = reason, Since = now, ProbeAt = null };

    private void Open(string reason, TimeSpan probeDelay, DateTimeOffset now)
    {
        Become(DeliveryMode.Open, reason, State.Mode == DeliveryMode.HalfOpen ? State.Since : now);
        State = State with { ProbeDelay = probeDelay, ProbeAt = now + probeDelay };
        _probe = null;
        _revoke = true;
    }

    private void EndProbe(ProbeResult result, string reason, DateTimeOffset now)
    {
        switch (result)
        {
            case ProbeResult.Through:
                _sample.Clear();
                _sample.Add(_probe!.Value.Partition, taken: 1, failed: 0, now);
                _probe = null;
                Become(DeliveryMode.Running, "", now);
                break;
            case ProbeResult.Failed:
                var doubled = 2 * State.ProbeDelay;
                Open(reason, doubled < _options.Breaker.ProbeMax ? doubled : _options.Breaker.ProbeMax, now);
                break;
            default:
                _probe = null;
                State = State with { Mode = DeliveryMode.Open, ProbeAt = now };
                break;
        }
    }

    private Allotment Probe(DateTimeOffset now)
    {
        var (partition, needs) = NextInTurn(needs => needs.Live + needs.Backfill > 0);
        _needs[partition] = (0, 0);
        _probe = (partition, now + ProbeWait);
        State = State with { Mode = DeliveryMode.HalfOpen, ProbeAt = null };
        var wait = Microseconds(_schedule.Next(now) - now);
        _schedule.Take(now);
        var probe = Grant(needs.Live > 0 ? [wait] : [], needs.Live > 0 ? [] : [wait]);
        return Allot(partition, probe with { IsProbe = true, Patience = Microseconds(ProbePatience) });
    }

    /// <summary>What was granted is void, or a slice asks for what it will not get for now.</summary>
    private ImmutableArray<Allotment> Revoke(DateTimeOffset now)
    {
        var isStopped = State.Mode != DeliveryMode.Running || IsHeld(now);
        var told = _revoke ? _needs.Keys
            : isStopped ? _asking.Where(partition => partition != _probe?.Partition).Order()
            : Enumerable.Empty<int>();
        ImmutableArray<Allotment> revoked = [.. told.Select(partition => Allot(partition, Grant([], []) with { IsRevoked = true }))];
        _asking.Clear();
        _revoke = false;
        return revoked;
    }

    /// <summary>Deals permits out one by one, each slice in its turn, so that all slices get their part of a scarce rate.</summary>
    private IEnumerable<Allotment> Share(DateTimeOffset now)
    {
        var dealt = new SortedDictionary<int, (List<long> Live, List<long> Backfill)>();
        var (live, backfill) = (_needs.Values.Sum(needs => needs.Live), _needs.Values.Sum(needs => needs.Backfill));
        while (live + backfill > 0 && _schedule.Next(now) is var at && at - now <= Horizon)
        {
            var isBackfill = IsBackfillsTurn(live, backfill);
            (live, backfill) = isBackfill ? (live, backfill - 1) : (live - 1, backfill);
            Deal(dealt, isBackfill, Microseconds(at - now));
            _schedule.Take(now);
        }

        return dealt.Select(one => Allot(one.Key, Grant([.. one.Value.Live], [.. one.Value.Backfill])));
    }

    /// <summary>While both wait, backfill gets its share and no more.</summary>
    private bool IsBackfillsTurn(int live, int backfill)
    {
        if (live == 0 || backfill == 0)
        {
            return live == 0;
        }

        _backfillCredit = Math.Min(_backfillCredit + (_options.BackfillPercent / 100.0), 1);
        if (_backfillCredit < 1)
        {
            return false;
        }

        _backfillCredit = 0;
        return true;
    }

    private void Deal(
        SortedDictionary<int, (List<long> Live, List<long> Backfill)> dealt, bool isBackfill, long microseconds)
    {
        var (partition, needs) = NextInTurn(needs => (isBackfill ? needs.Backfill : needs.Live) > 0);
        _needs[partition] = isBackfill ? (needs.Live, needs.Backfill - 1) : (needs.Live - 1, needs.Backfill);
        if (!dealt.TryGetValue(partition, out var permits))
        {
            dealt[partition] = permits = ([], []);
        }

        (isBackfill ? permits.Backfill : permits.Live).Add(microseconds);
    }

    private KeyValuePair<int, (int Live, int Backfill)> NextInTurn(Func<(int Live, int Backfill), bool> wants)
    {
        var next = _needs.FirstOrDefault(
            slice => slice.Key > _lastServed && wants(slice.Value), _needs.First(slice => wants(slice.Value)));
        _lastServed = next.Key;
        return next;
    }

    private Allotment Allot(int partition, PermitsGranted permits) => new(
        partition,
        permits with { SkipBelow = partition < State.SkipBelow.Length ? State.SkipBelow[partition] : null });

    private PermitsGranted Grant(ImmutableArray<long> live, ImmutableArray<long> backfill) => new(
        live,
        backfill,
        Microseconds(_schedule.Patience),
        _schedule.Epoch,
        IsPlenty: _schedule.IsUnlimited,
        IsProbe: false,
        IsRevoked: false,
        State.SkipMode,
        State.SkipBefore,
        _takenAt);

    private static long Microseconds(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMicrosecond;
}
