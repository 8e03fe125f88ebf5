namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// When the permits of a connection may be used: a token bucket, kept as the time at which it will be full. A permit may be
/// used up to <see cref="Patience"/> after its time, because machines are late; the bucket is smaller than the burst by what
/// can catch up in that time, so that no window of a second ever sees more than rate and burst.
/// </summary>
internal sealed class PermitSchedule
{
    private static readonly TimeSpan PatienceMax = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan EpochMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PatienceUnlimited = TimeSpan.FromSeconds(1);
    private readonly DateTimeOffset _origin;
    private double _spacing;
    private double _capacity;
    private double _fullAt;
    private double _seen = double.NegativeInfinity;
    private double _epochFrom;
    private double _least = double.PositiveInfinity;

    /// <summary>An empty bucket that begins to fill at <paramref name="from"/>.</summary>
    public PermitSchedule(double perSecond, int burst, DateTimeOffset from)
    {
        _origin = from;
        Set(perSecond, burst);
        _fullAt = _capacity * _spacing;
    }

    /// <summary>How long after its time a permit may be used.</summary>
    public TimeSpan Patience { get; private set; }

    /// <summary>Goes with every permit: a later one begins when the bucket is found full, or after a second.</summary>
    public long Epoch { get; private set; }

    /// <summary>Whether there is no limit.</summary>
    public bool IsUnlimited => _spacing == 0;

    /// <summary>When the next permit may be used: now or later.</summary>
    public DateTimeOffset Next(DateTimeOffset now) => IsUnlimited ? now : _origin.AddTicks((long)Math.Ceiling(NextTicks(now)));

    /// <summary>Takes the next permit.</summary>
    public void Take(DateTimeOffset now)
    {
        var at = NextTicks(now);
        if (_fullAt <= at || at - _epochFrom > EpochMax.Ticks)
        {
            BeginEpoch(at);
        }
        else if (at > _epochFrom)
        {
            _least = Math.Min(_least, _fullAt - at);
        }

        _fullAt = Math.Max(_fullAt, at) + _spacing;
    }

    /// <summary>
    /// Takes permits back that were never used: they may be used at another time. Had they never been taken, the bucket might
    /// have run over meanwhile, and what runs over is lost: so only those of this epoch, as far as there was room in it.
    /// </summary>
    public void Return(int permits, long epoch)
    {
        if (epoch == Epoch)
        {
            var room = Math.Min(permits * _spacing, _least);
            _fullAt -= room;
            _least -= room;
        }
    }

    /// <summary>Another rate; what is in the bucket stays, as far as it fits.</summary>
    public void Change(double perSecond, int burst, DateTimeOffset now)
    {
        var at = Ticks(now);
        var held = _spacing == 0 ? 0 : _capacity - (Math.Max(_fullAt - at, 0) / _spacing);
        Set(perSecond, burst);
        BeginEpoch(at);
        _fullAt = at + ((_capacity - Math.Min(held, _capacity)) * _spacing);
    }

    private void BeginEpoch(double at)
    {
        Epoch++;
        (_epochFrom, _least) = (at, double.PositiveInfinity);
    }

    private void Set(double perSecond, int burst)
    {
        if (perSecond == 0)
        {
            (_spacing, _capacity, Patience) = (0, 0, PatienceUnlimited);
            return;
        }

        _spacing = TimeSpan.TicksPerSecond / perSecond;
        var catchingUp = Math.Min(burst / 2.0, perSecond * PatienceMax.TotalSeconds);
        Patience = TimeSpan.FromTicks((long)(catchingUp * _spacing));
        _capacity = Math.Max(1, burst - catchingUp);
    }

    private double NextTicks(DateTimeOffset now)
    {
        var at = Ticks(now);
        return Math.Max(at, _fullAt - ((_capacity - 1) * _spacing));
    }

    /// <summary>Counted from the beginning, so that small spacings are not lost in rounding. When the clock was turned back, all is
    /// turned back with it.</summary>
    private double Ticks(DateTimeOffset now)
    {
        var at = (double)(now - _origin).Ticks;
        if (at < _seen)
        {
            (_fullAt, _epochFrom) = (_fullAt - (_seen - at), _epochFrom - (_seen - at));
        }

        return _seen = at;
    }
}
