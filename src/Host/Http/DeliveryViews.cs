using System.Globalization;
using VarianceActors.Pipeline.Delivery;

namespace VarianceActors.Host.Http;

/// <summary>How a connection delivers.</summary>
/// <param name="State"><c>running</c>; <c>open</c>: the breaker keeps everything until a probe gets through;
/// <c>half_open</c>: such a probe is on its way; <c>paused</c>: an operator stopped it.</param>
/// <param name="Reason">Why it does not run, such as <c>paused</c>, <c>failing</c> or <c>status-401</c>; empty while it does.</param>
/// <param name="Hint">What the reason means, and what can be done; empty while it runs.</param>
/// <param name="Since">Since when it is in this state, ISO 8601.</param>
/// <param name="HoldUntil">Until when the receiver wants to be left alone, by a 429 with Retry-After; null or past: it may be
/// asked.</param>
/// <param name="ProbeAt">When the open breaker sends its next probe; null unless it is open.</param>
/// <param name="LastDeliveredAt">When the receiver last took a message; null if not since the start.</param>
/// <param name="Rate">The rate of the connection, for the whole cluster.</param>
/// <param name="Backlog">What waits.</param>
/// <param name="Estimate">When the backlog will be done, at the speed of the last two minutes.</param>
/// <param name="Latency">From the moment an event was accepted until a message of it was delivered, over the last ten minutes of
/// the whole cluster; null if nothing was delivered.</param>
/// <param name="Errors">What attempts failed at in the last 24 hours, the reason that was met last first.</param>
public sealed record DeliveryView(
    string State,
    string Reason,
    string Hint,
    DateTimeOffset Since,
    DateTimeOffset? HoldUntil,
    DateTimeOffset? ProbeAt,
    DateTimeOffset? LastDeliveredAt,
    DeliveryRateView Rate,
    BacklogView Backlog,
    EstimateView Estimate,
    LatencyView? Latency,
    IReadOnlyList<DeliveryErrorView> Errors)
{
    internal static DeliveryView Of(DeliveryStatus status, DeliveryReport report, DateTimeOffset now) => new(
        NameOf(status.Mode),
        status.Reason,
        HintOf(status),
        status.Since,
        status.HoldUntil,
        status.ProbeAt,
        status.LastDeliveredAt,
        new DeliveryRateView(status.PerSecond, status.Burst, Math.Round(status.CurrentPerSecond, 1), status.IsAdaptive),
        new BacklogView(report.Undecided, report.Waiting, report.Held, report.DeadEvents),
        EstimateView.Of(status, report, now),
        status.Latency is { } latency
            ? new LatencyView(
                latency.Messages,
                (long)latency.P50.TotalMilliseconds,
                (long)latency.P95.TotalMilliseconds,
                (long)latency.P99.TotalMilliseconds)
            : null,
        [
            .. report.Errors.Select(error => new DeliveryErrorView(
                error.Reason, error.Attempts, error.LastAt, DeliveryHints.For(error.Reason))),
        ]);

    private static string NameOf(DeliveryMode mode) => mode switch
    {
        DeliveryMode.Open => "open",
        DeliveryMode.HalfOpen => "half_open",
        DeliveryMode.Paused => "paused",
        _ => "running",
    };

    private static string HintOf(DeliveryStatus status) => status switch
    {
        { Mode: DeliveryMode.Running } => "",
        { Mode: DeliveryMode.Paused } => "An operator stopped it. Everything is kept; POST .../resume sends it.",
        { Reason: "failing" or "" } => "Nearly every attempt fails, so only probes are sent. Everything is kept.",
        _ => DeliveryHints.For(status.Reason),
    };
}

/// <summary>The rate of a connection.</summary>
/// <param name="PerSecond">Messages a second in the long run, as it is set; 0: no limit.</param>
/// <param name="Burst">Messages that may leave at once after a quiet time.</param>
/// <param name="CurrentPerSecond">What holds now: lower while an adaptive connection is told to slow down; 0: no limit.</param>
/// <param name="IsAdaptive">Whether the rate follows the receiver's 429.</param>
public sealed record DeliveryRateView(int PerSecond, int Burst, double CurrentPerSecond, bool IsAdaptive);

/// <summary>What waits.</summary>
/// <param name="UndecidedEvents">Events in the inbox that nobody has decided yet.</param>
/// <param name="WaitingMessages">Messages without an outcome.</param>
/// <param name="HeldMessages">Of these, messages of persons whose first message failed and is tried again.</param>
/// <param name="DeadEvents">Events with a dead letter; they wait for an operator, not for the receiver.</param>
public sealed record BacklogView(long UndecidedEvents, long WaitingMessages, long HeldMessages, long DeadEvents);

/// <summary>When the backlog will be done.</summary>
/// <param name="PerSecond">Messages delivered per second over the last two minutes, by the whole cluster.</param>
/// <param name="DoneAt">When nothing will wait, ISO 8601; null if that cannot be told.</param>
/// <param name="Text">The same in words, such as <c>4,812 waiting, 12/s, done 14:05</c> (UTC).</param>
public sealed record EstimateView(double PerSecond, DateTimeOffset? DoneAt, string Text)
{
    private static readonly TimeSpan Horizon = TimeSpan.FromDays(365);

    internal static EstimateView Of(DeliveryStatus status, DeliveryReport report, DateTimeOffset now)
    {
        var perSecond = status.DeliveredPerSecond;
        if (report.Waiting == 0)
        {
            return new EstimateView(Math.Round(perSecond, 1), now, "nothing is waiting");
        }

        var waiting = string.Create(CultureInfo.InvariantCulture, $"{report.Waiting:N0} waiting");
        if (status.Mode != DeliveryMode.Running)
        {
            var state = status.Mode == DeliveryMode.Paused ? "paused" : $"stopped by the breaker ({status.Reason})";
            return new EstimateView(0, null, $"{waiting}, {state}");
        }

        var begins = status.HoldUntil > now ? status.HoldUntil.Value : now;
        if (begins > now)
        {
            waiting += $", held by the receiver until {TimeOf(begins, now)}";
        }

        var seconds = perSecond > 0 ? report.Waiting / perSecond : double.PositiveInfinity;
        var speed = string.Create(
            CultureInfo.InvariantCulture, $"{Math.Round(perSecond, perSecond < 10 ? 1 : 0)}/s");
        if (seconds > Horizon.TotalSeconds)
        {
            return new EstimateView(Math.Round(perSecond, 1), null, $"{waiting}, {speed}");
        }

        var done = begins.AddSeconds(Math.Ceiling(seconds));
        return new EstimateView(Math.Round(perSecond, 1), done, $"{waiting}, {speed}, done {TimeOf(done, now)}");
    }

    private static string TimeOf(DateTimeOffset time, DateTimeOffset now) =>
        time.ToString(time.Date == now.Date ? "HH:mm" : "yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}

/// <summary>How long messages took, in milliseconds; told at most a fifth too high.</summary>
/// <param name="Messages">How many messages this is about.</param>
/// <param name="P50Ms">Half of them took no longer.</param>
/// <param name="P95Ms">95 of 100 took no longer.</param>
/// <param name="P99Ms">99 of 100 took no longer.</param>
public sealed record LatencyView(long Messages, long P50Ms, long P95Ms, long P99Ms);

/// <summary>What attempts failed at.</summary>
/// <param name="Reason">A short word, such as <c>status-503</c> or <c>timeout</c>.</param>
/// <param name="Attempts">How many.</param>
/// <param name="LastAt">When the last one was.</param>
/// <param name="Hint">What it means, and what can be done.</param>
public sealed record DeliveryErrorView(string Reason, long Attempts, DateTimeOffset LastAt, string Hint);

/// <summary>How a stopped connection goes on.</summary>
/// <param name="Mode"><c>all</c> (the default): everything that waits is sent; <c>since</c>: of what waits in the
/// outbox only messages of events accepted since a time, and every alias; <c>latest</c>: of it only the newest value of each trait of contacts and
/// accounts, and every alias. What is not sent is in the books as skipped or coalesced.</param>
/// <param name="Since">For <c>since</c>: from when on, ISO 8601.</param>
public sealed record ResumeRequest(string Mode = "all", DateTimeOffset? Since = null);

/// <summary>A new rate.</summary>
/// <param name="PerSecond">Messages a second in the long run, 0 to 1000000; 0: no limit.</param>
/// <param name="Burst">Messages that may leave at once after a quiet time, 1 to 1000000.</param>
public sealed record RateRequest(int? PerSecond, int? Burst);
