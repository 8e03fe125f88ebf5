using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Host.Http;

/// <summary>The answers that the doors have in common.</summary>
internal static class DoorAnswer
{
    private const string NotHttp = "The request is not valid HTTP, or its body did not arrive in time.";

    private const string NoRoom = "Too much is being received now. Send the same request again, unchanged.";

    private const string NotStored = "The events could not be stored now. Send the same request again, unchanged.";

    /// <summary>A body in chunks of one byte takes six bytes for each.</summary>
    private const int FramingFactor = 8;

    /// <summary>PostHog's <c>{"status":"Ok"}</c>.</summary>
    public static readonly byte[] Ok = "{\"status\":\"Ok\"}"u8.ToArray();

    /// <summary>A JSON answer.</summary>
    public static Task Json(HttpContext context, byte[] json)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        return context.Response.Body.WriteAsync(json).AsTask();
    }

    /// <summary>Stores the events, and answers: 200 only if all of them are on disk.</summary>
    public static async Task Append(
        HttpContext context,
        string connectionId,
        IReadOnlyList<CaptureEvent> events,
        TimeSpan retryAfter)
    {
        try
        {
            var append = context.RequestServices.GetRequiredService<AppendEvents>();
            var outcome = events.Count == 0
                ? AppendOutcome.Committed
                : await append(connectionId, events, context.RequestAborted);
            if (outcome != AppendOutcome.Committed)
                await TryAgain(context, retryAfter, NotStored);
            else if (context.Request.Query["beacon"] == "1")
                context.Response.StatusCode = StatusCodes.Status204NoContent;
            else
                await Json(context, Ok);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The sender is gone, and will send again: it has seen no answer.
        }
    }

    /// <summary>A refusal: its reason as plain text.</summary>
    public static Task Refuse(HttpContext context, Refusal refusal) => Text(context, refusal.Status, refusal.Reason);

    /// <summary>
    /// 503, which every sender takes as "again, please"; never 429 or 413, on which some lose events.
    /// </summary>
    private static Task TryAgain(HttpContext context, TimeSpan retryAfter, string reason)
    {
        var seconds = (long)Math.Ceiling(retryAfter.TotalSeconds);
        context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        return Text(context, StatusCodes.Status503ServiceUnavailable, reason);
    }

    /// <summary>
    /// The whole body, or null after a refusal has been answered. The server's own limit counts the framing of chunks
    /// too, so it is only there to bound what is read of a body that the door has refused.
    /// </summary>
    public static async ValueTask<RequestBody?> ReadBodyOrRefuse(
        HttpContext context, BodyBudget budget, int bytesMax, TimeSpan retryAfter)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = (long)bytesMax * FramingFactor;

        try
        {
            var (reading, body) = await RequestBody.ReadAsync(context, budget, bytesMax);
            if (reading == BodyReading.Whole)
                return body;
            if (reading == BodyReading.NoRoom)
            {
                await TryAgain(context, retryAfter, NoRoom);
                return null;
            }
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode != StatusCodes.Status413PayloadTooLarge)
        {
            await Text(context, exception.StatusCode, NotHttp);
            return null;
        }
        catch (BadHttpRequestException)
        {
            // The server noticed before the door did; the answer is the same.
        }
        catch (IOException)
        {
            // The sender is gone: there is nobody to answer.
            return null;
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return null;
        }

        await Refuse(context, Refusal.BodyTooLarge(bytesMax));
        return null;
    }

    private static Task Text(HttpContext context, int status, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        context.Response.ContentLength = bytes.Length;
        return context.Response.Body.WriteAsync(bytes).AsTask();
    }
}
