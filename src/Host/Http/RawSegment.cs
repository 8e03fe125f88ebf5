using Microsoft.AspNetCore.Http.Features;

namespace VarianceActors.Host.Http;

/// <summary>
/// What a caller put into a path, as it was put there. The server's own path has <c>%2F</c> undecoded and everything else
/// decoded, so that <c>a/b</c> and <c>a%2Fb</c> cannot be told apart; distinct ids hold anything.
/// </summary>
internal static class RawSegment
{
    /// <summary>The segment behind <paramref name="name"/>, percent-decoded once.</summary>
    /// <param name="http">The request.</param>
    /// <param name="name">The segment before it, such as <c>persons</c>.</param>
    /// <param name="routed">What the route made of it; taken if the request line cannot be read.</param>
    public static string Behind(HttpContext http, string name, string routed)
    {
        var target = http.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        var path = target.Split('?', 2)[0].Split('/');
        var connection = Array.IndexOf(path, "connections") + 1; // an id that may be anything, even that name
        var at = Array.IndexOf(path, name, Math.Min(connection + 1, path.Length));
        return at >= 0 && at + 1 < path.Length ? Uri.UnescapeDataString(path[at + 1]) : routed;
    }
}
