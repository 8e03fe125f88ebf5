using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Host.Http;

/// <summary>
/// The door for PostHog's HTTP webhook destination: <c>POST /webhooks/posthog</c> with <c>Authorization: Bearer
/// secret</c>. The secret selects the connection, and is checked before a byte of the body is read. Needs the same
/// services as <see cref="CaptureDoor"/>.
/// </summary>
public static class WebhookDoor
{
    private const string Scheme = "Bearer ";

    private static readonly Refusal Unauthorized = new(
        StatusCodes.Status401Unauthorized,
        "Send the connection's webhook secret in the header Authorization: Bearer <secret>.");

    /// <summary>Maps the webhook path.</summary>
    public static void MapWebhookDoor(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapPost("/webhooks/posthog", (RequestDelegate)Answer);

    private static async Task Answer(HttpContext context)
    {
        if (!TryAuthorize(context, out var connectionId))
        {
            context.Response.Headers[HeaderNames.WWWAuthenticate] = "Bearer";
            await DoorAnswer.Refuse(context, Unauthorized);
            return;
        }

        var services = context.RequestServices;
        var limits = services.GetRequiredService<IOptions<SourcesOptions>>().Value;
        var budget = services.GetRequiredService<BodyBudget>();
        var bytesMax = limits.WebhookBodyBytesMax;
        if (await DoorAnswer.ReadBodyOrRefuse(context, budget, bytesMax, limits.RetryAfter) is not { } body)
            return;

        WebhookDecoding decoding;
        using (body)
        {
            var receivedAt = services.GetRequiredService<TimeProvider>().GetUtcNow();
            if (!await budget.TryBeginDecode(context.RequestAborted))
                return;

            try
            {
                decoding = WebhookDecoder.Decode(body.Bytes.Span, receivedAt, limits);
            }
            finally
            {
                budget.EndDecode();
            }
        }

        if (decoding is not WebhookDecoding.Accepted accepted)
        {
            await DoorAnswer.Refuse(context, ((WebhookDecoding.Refused)decoding).Refusal);
            return;
        }

        await DoorAnswer.Append(context, connectionId, [accepted.Event], limits.RetryAfter);
    }

    private static bool TryAuthorize(HttpContext context, out string connectionId)
    {
        connectionId = "";
        var header = context.Request.Headers.Authorization;
        return header.Count == 1
            && header[0] is { } value
            && value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && context.RequestServices.GetRequiredService<ConnectionDirectory>()
                .TryFindBySecret(value[Scheme.Length..].Trim(), out connectionId);
    }
}
