using System.Globalization;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What an attempt's answer means.</summary>
public enum DeliveryVerdict
{
    /// <summary>2xx: taken.</summary>
    Delivered,

    /// <summary>It may work later: try again, until the budget is spent.</summary>
    Retry,

    /// <summary>The connection is set up wrongly: keep everything and try again, for as long as it takes.</summary>
    Hold,

    /// <summary>This message will never be taken.</summary>
    Reject,

    /// <summary>There is no receiver: nothing was sent.</summary>
    DryRun,
}

/// <summary>One attempt to deliver a message.</summary>
/// <param name="Verdict">What it means.</param>
/// <param name="Reason">A short word for it, such as <c>status-503</c>, <c>timeout</c> or <c>network-ConnectionError</c>.</param>
/// <param name="Status">The HTTP status; null if no answer came.</param>
/// <param name="RetryAfter">How long the receiver asked to be left alone; null if it did not.</param>
/// <param name="Response">The first part of the answer's body.</param>
public sealed record DeliveryAttempt(
    DeliveryVerdict Verdict, string Reason, int? Status, TimeSpan? RetryAfter, ReadOnlyMemory<byte> Response)
{
    /// <summary>Which attempt of this message it is, from 1; attempts before a restart are counted too.</summary>
    public int Number { get; init; }

    /// <summary>When it was begun.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>How long it took until it was known what it means.</summary>
    public TimeSpan Latency { get; init; }

    /// <summary>An attempt that got no answer.</summary>
    public static DeliveryAttempt Unanswered(string reason) =>
        new(DeliveryVerdict.Retry, reason, Status: null, RetryAfter: null, ReadOnlyMemory<byte>.Empty);

    /// <summary>An attempt that was answered with <paramref name="status"/>.</summary>
    public static DeliveryAttempt Answered(int status, TimeSpan? retryAfter, ReadOnlyMemory<byte> response) => new(
        Judge(status), ReasonOf(status), status, retryAfter, response);

    /// <summary>The word for an attempt that was answered: <c>status-503</c>.</summary>
    public static string ReasonOf(int status) => string.Create(CultureInfo.InvariantCulture, $"status-{status}");

    /// <summary>
    /// 408, 425, 429 and 5xx pass; redirects (which are never followed) and what says of a URL, its credentials or the form of
    /// every post that they are wrong mean that the connection is set up wrongly; any other status refuses this message.
    /// </summary>
    public static DeliveryVerdict Judge(int status) => status switch
    {
        >= 200 and < 300 => DeliveryVerdict.Delivered,
        408 or 425 or 429 or >= 500 => DeliveryVerdict.Retry,
        401 or 402 or 403 or 404 or 405 or 407 or 410 or 415 or 421 or 426 or < 400 => DeliveryVerdict.Hold,
        _ => DeliveryVerdict.Reject,
    };
}
