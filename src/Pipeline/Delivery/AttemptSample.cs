namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// Counts how attempts ended of late. The breaker opens when too large a share of enough attempts failed, or, over a longer
/// time and of fewer attempts, when all of them did, in more than one slice: a person whose messages fail stops nobody else. How
/// fast they failed makes no difference.
/// </summary>
internal sealed class AttemptSample(BreakerOptions options)
{
    private readonly RecentAttempts _lately = new(options.Sample);
    private readonly RecentAttempts _quietly = new(options.QuietSample);
    private readonly HashSet<int> _failing = [];
    private DateTimeOffset _failingSince;

    /// <summary>Adds attempts of a slice.</summary>
    /// <returns>Whether too many of the attempts in the sample failed.</returns>
    public bool Add(int slice, int taken, int failed, DateTimeOffset now)
    {
        if (taken > 0)
        {
            _failing.Clear();
        }
        else if (failed > 0)
        {
            _failingSince = _failing.Count == 0 ? now : _failingSince;
            _failing.Add(slice);
        }

        var lately = _lately.Add(taken, failed, now);
        var quietly = _quietly.Add(taken, failed, now);
        return failed > 0 && (IsMost(lately) || IsAll(quietly, now));
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _lately.Clear();
        _quietly.Clear();
        _failing.Clear();
    }

    private bool IsAll((int Taken, int Failed) attempts, DateTimeOffset now) =>
        attempts.Taken == 0
        && attempts.Failed >= options.QuietAttemptsMin
        && _failing.Count > 1
        && now - _failingSince >= options.Sample;

    private bool IsMost((int Taken, int Failed) attempts) =>
        attempts.Taken + attempts.Failed >= options.AttemptsMin
        && 100L * attempts.Failed >= options.FailurePercent * (long)(attempts.Taken + attempts.Failed);

    /// <summary>Counts attempts over a time that passes, in tenths of it.</summary>
    private sealed class RecentAttempts(TimeSpan time)
    {
        private const int Slices = 10;
        private readonly (long Slice, int Taken, int Failed)[] _slices = new (long, int, int)[Slices];

        public (int Taken, int Failed) Add(int taken, int failed, DateTimeOffset now)
        {
            var slice = now.UtcTicks / (time.Ticks / Slices);
            ref var current = ref _slices[slice % Slices];
            current = current.Slice == slice
                ? (slice, current.Taken + taken, current.Failed + failed)
                : (slice, taken, failed);
            var sums = (Taken: 0, Failed: 0);
            foreach (var one in _slices)
            {
                sums = one.Slice > slice - Slices ? (sums.Taken + one.Taken, sums.Failed + one.Failed) : sums;
            }

            return sums;
        }

        public void Clear() => Array.Clear(_slices);
    }
}
