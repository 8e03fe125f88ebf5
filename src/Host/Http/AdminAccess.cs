using System.Net;
using System.Security.Cryptography;
using System.Text;
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
        IsAdmin(context.HttpContext)
            ? next(context)
            : ValueTask.FromResult<object?>(TypedResults.Problem(
                _keyDigest is null
                    ? "Without a configured admin-key the API answers on loopback only."
                    : "Send the header Authorization: Bearer <admin-key>.",
                statusCode: StatusCodes.Status401Unauthorized));

    private static byte[] Digest(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private bool IsAdmin(HttpContext http)
    {
        if (_keyDigest is null)
        {
            return http.Connection.RemoteIpAddress is { } remote && IPAddress.IsLoopback(remote);
        }

        var presented = http.Request.Headers.Authorization.ToString();
        return presented.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(Digest(presented[Scheme.Length..]), _keyDigest);
    }
}
