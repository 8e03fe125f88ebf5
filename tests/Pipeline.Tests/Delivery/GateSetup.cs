using VarianceActors.Pipeline.Delivery;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>Gates as the tests need them, and what slices say to them.</summary>
internal static class GateSetup
{
    public static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static DeliveryOptions Options => new()
    {
        AttemptTimeout = TimeSpan.FromSeconds(10),
        Deadline = TimeSpan.FromSeconds(15),
        LanesMax = 64,
        WindowMessages = 512,
        WindowBytesMax = 1 << 20,
        InFlightMax = 64,
        HeldLanesMax = 20_000,
        ShelvedLanesMax = 200_000,
        SlowAfter = TimeSpan.FromSeconds(1),
        CoalesceAfter = TimeSpan.FromSeconds(30),
        BackfillPercent = 20,
        Retry = new RetryOptions
        {
            DelayFirst = TimeSpan.FromMilliseconds(500),
            DelayMax = TimeSpan.FromSeconds(15),
            Budget = TimeSpan.FromDays(1),
            RetryAfterMax = TimeSpan.FromHours(1),
        },
        Breaker = new BreakerOptions
        {
            FailurePercent = 80,
            AttemptsMin = 50,
            Sample = TimeSpan.FromSeconds(30),
            QuietAttemptsMin = 10,
            QuietSample = TimeSpan.FromMinutes(5),
            ProbeFirst = TimeSpan.FromSeconds(2),
            ProbeMax = TimeSpan.FromSeconds(10),
        },
    };

    public static ConnectionGate Gate(
        int perSecond = 0, int burst = 100, bool adaptive = false, GateState? state = null, bool isDryRun = false) => new(
        "acme",
        new RateOptions { PerSecond = perSecond, Burst = burst, Adaptive = adaptive, PerSecondMin = 1 },
        Options,
        state ?? GateState.New(Noon),
        Noon,
        isDryRun);

    public static ConnectionMessage.SliceReport Report(
        int partition = 0,
        int live = 0,
        int backfill = 0,
        int unused = 0,
        long epoch = 0,
        int taken = 0,
        int failed = 0,
        int throttled = 0,
        string reason = "",
        bool wrongSetup = false,
        ProbeResult? probe = null) =>
        new("acme", partition, live, backfill, unused, epoch, taken, failed, throttled, reason, wrongSetup, probe);
}
