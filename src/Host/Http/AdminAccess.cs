using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline;

namespace VarianceActors.Host.Http;

/// <summary>
/// Who may call the API: whoever presents the admin key, compared in constant time. Without a configured key, whoever calls
/// over loopback.
/// </summary>
internal sealed class AdminAccess(PipelineOptions options) : IEndpointFilter
{
    private const string Scheme = "Bearer ";
    private readonly byte[]? _keyDigest = options.AdminKey.Length == 0 ? null : Digest(options.AdminKey);

    public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        IsAdmin(context.HttpContext) ? next(context) : ValueTask.FromResult<object?>(Refusal());

    /// <summary>The same rule in front of what is not an endpoint of the API.</summary>
    public Task InvokeAsync(HttpContext http, RequestDelegate next) =>
        IsAdmin(http) ? next(http) : Refusal().ExecuteAsync(http);

    private ProblemHttpResult Refusal() => TypedResults.Problem(
        _keyDigest is null
            ? "Without a configured admin-key the API answers on loopback only."
            : "Send the header Authorization: Bearer <admin-key>.",
        statusCode: StatusCodes.Status401Unauthorized);

    private static byte[] Digest(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    /// <summary>A request that a proxy on this machine passed on comes over loopback too, but not from here; and a page in a
    /// browser here can reach loopback under a name of its own.</summary>
    private static bool IsLocal(HttpContext http) =>
        http.Connection.RemoteIpAddress is { } remote
        && IPAddress.IsLoopback(remote)
        && !http.Request.Headers.Keys.Any(IsForwarded)
        && (http.Request.Host.Host == "localhost"
            || (IPAddress.TryParse(http.Request.Host.Host.Trim('[', ']'), out var host) && IPAddress.IsLoopback(host)));

    private static bool IsForwarded(string header) =>
        header.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)
        || header.Equals("Forwarded", StringComparison.OrdinalIgnoreCase)
        || header.Equals("Via", StringComparison.OrdinalIgnoreCase);

    private bool IsAdmin(HttpContext http)
    {
        if (_keyDigest is null)
        {
            return IsLocal(http);
        }

        var presented = http.Request.Headers.Authorization.ToString();
        return presented.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(Digest(presented[Scheme.Length..]), _keyDigest);
    }
}
