using Microsoft.Extensions.Primitives;

namespace VarianceActors.Host.Http;

/// <summary>
/// PostHog's CORS (posthog.md C5): every origin may send, with credentials. The doors give nothing away, and a project
/// token is public, so nothing is protected by refusing.
/// </summary>
internal static class MirroredCors
{
    /// <summary>Puts the headers on an answer, whatever it will be.</summary>
    public static void Apply(HttpContext context)
    {
        var request = context.Request.Headers;
        var response = context.Response.Headers;
        if (IsPlain(request.Origin))
        {
            response.AccessControlAllowOrigin = request.Origin;
            response.AccessControlAllowCredentials = "true";
        }
        else
        {
            response.AccessControlAllowOrigin = "*";
        }

        response.AccessControlAllowMethods = "GET, POST, OPTIONS";
        response.Vary = "Origin";
        if (IsPlain(request.AccessControlRequestHeaders))
            response.AccessControlAllowHeaders = request.AccessControlRequestHeaders;
    }

    /// <summary>A header that is not ASCII cannot be sent back.</summary>
    private static bool IsPlain(StringValues header) =>
        header.Count == 1 && header[0] is { Length: > 0 } value && !value.AsSpan().ContainsAnyExceptInRange(' ', '~');
}
