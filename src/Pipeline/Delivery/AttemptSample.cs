namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// Counts how attempts ended of late. The breaker opens when too large a share of enough attempts failed; how fast they
/// failed makes no difference.
/// </summary>
internal sealed class AttemptSample(BreakerOptions options)
{
    private const int Slices = 10;
    private readonly Queue<(long Slice, int Taken, int Failed)> _slices = [];
    private int _taken;
    private int _failed;

    /// <summary>Adds attempts.</summary>
    /// <returns>Whether too many of the attempts in the sample failed.</returns>
    public bool Add(int taken, int failed, DateTimeOffset now)
    {
        var slice = now.UtcTicks / (options.Sample.Ticks / Slices);
        _slices.Enqueue((slice, taken, failed));
        _taken += taken;
        _failed += failed;
        while (_slices.Peek().Slice <= slice - Slices)
        {
            var (_, oldTaken, oldFailed) = _slices.Dequeue();
            _taken -= oldTaken;
            _failed -= oldFailed;
        }

        return failed > 0
            && _taken + _failed >= options.AttemptsMin
            && 100L * _failed >= options.FailurePercent * (long)(_taken + _failed);
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _slices.Clear();
        (_taken, _failed) = (0, 0);
    }
}
