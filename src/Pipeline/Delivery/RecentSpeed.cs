namespace VarianceActors.Pipeline.Delivery;

/// <summary>How many messages a second there were in this minute and the one before.</summary>
internal sealed class RecentSpeed
{
    private long _minute;
    private long _now;
    private long _before;

    /// <summary>So many more.</summary>
    public void Add(int messages, DateTimeOffset now)
    {
        Turn(now);
        _now += messages;
    }

    /// <summary>Messages a second.</summary>
    public double PerSecond(DateTimeOffset now)
    {
        Turn(now);
        return (_now + _before) / (60 + (now.ToUnixTimeMilliseconds() % 60_000 / 1000.0));
    }

    private void Turn(DateTimeOffset now)
    {
        var minute = now.ToUnixTimeSeconds() / 60;
        if (minute != _minute)
        {
            (_before, _now) = (minute == _minute + 1 ? _now : 0, 0);
            _minute = minute;
        }
    }
}
