using Microsoft.Extensions.Options;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Host.Http;

/// <summary>
/// PostHog's v0 capture protocol over HTTP (posthog.md C1, C5). 200 means that every event of the request is on disk.
/// Needs <see cref="ConnectionDirectory"/>, <see cref="AppendEvents"/>, <see cref="BodyBudget"/>,
/// <see cref="TimeProvider"/> and <see cref="SourcesOptions"/> among the services.
/// </summary>
public static class CaptureDoor
{
    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Post, HttpMethods.Options];

    private static readonly Refusal UnknownToken = new(
        StatusCodes.Status401Unauthorized,
        "The project token belongs to no connection here. Use the token that is configured for the connection.");

    /// <summary>Maps all capture paths; each answers with and without a slash at its end.</summary>
    public static void MapCaptureDoor(this IEndpointRouteBuilder endpoints)
    {
        Map(endpoints, "/batch", CapturePath.Batch);
        Map(endpoints, "/i/v0/e", CapturePath.Events);
        Map(endpoints, "/e", CapturePath.LegacyEvents);
        Map(endpoints, "/capture", CapturePath.LegacyEvents);
        Map(endpoints, "/track", CapturePath.LegacyEvents);
        Map(endpoints, "/engage", CapturePath.Engage);
    }

    private static void Map(IEndpointRouteBuilder endpoints, string pattern, CapturePath path) =>
        endpoints.MapMethods(pattern, Methods, context => Answer(context, path));

    private static async Task Answer(HttpContext context, CapturePath path)
    {
        MirroredCors.Apply(context);
        if (HttpMethods.IsOptions(context.Request.Method))
        {
            await DoorAnswer.Json(context, DoorAnswer.Ok);
            return;
        }

        var services = context.RequestServices;
        var limits = services.GetRequiredService<IOptions<SourcesOptions>>().Value;
        var bytesMax = CaptureRequestDecoder.BodyBytesMax(path, limits);
        var budget = services.GetRequiredService<BodyBudget>();
        if (await DoorAnswer.ReadBodyOrRefuse(context, budget, bytesMax, limits.RetryAfter) is not { } body)
            return;

        CaptureDecoding decoding;
        using (body)
        {
            var receivedAt = services.GetRequiredService<TimeProvider>().GetUtcNow();
            var request = RequestOf(context.Request, path, body.Bytes, receivedAt);
            if (!await budget.TryBeginDecode(context.RequestAborted))
                return;

            try
            {
                decoding = CaptureRequestDecoder.Decode(request, limits);
            }
            finally
            {
                budget.EndDecode();
            }
        }

        await Answer(context, decoding, limits);
    }

    private static CaptureRequest RequestOf(
        HttpRequest request,
        CapturePath path,
        ReadOnlyMemory<byte> body,
        DateTimeOffset receivedAt) => new(path, body, receivedAt)
        {
            Data = request.Query["data"],
            Compression = request.Query["compression"],
            SentAt = request.Query.TryGetValue("sent_at", out var sentAt) ? sentAt : request.Query["_"],
            ContentType = request.ContentType,
            ContentEncoding = request.Headers.ContentEncoding,
        };

    private static async Task Answer(HttpContext context, CaptureDecoding decoding, SourcesOptions limits)
    {
        if (decoding is not CaptureDecoding.Accepted accepted)
        {
            await DoorAnswer.Refuse(context, ((CaptureDecoding.Refused)decoding).Refusal);
            return;
        }

        var directory = context.RequestServices.GetRequiredService<ConnectionDirectory>();
        if (!directory.TryFindByToken(accepted.Token, out var connectionId))
        {
            await DoorAnswer.Refuse(context, UnknownToken);
            return;
        }

        await DoorAnswer.Append(context, connectionId, accepted.Events, limits.RetryAfter);
    }
}
