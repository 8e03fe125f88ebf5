using System.Text.Json;
using Microsoft.AspNetCore.Http.Metadata;

namespace VarianceActors.Host.Http;

/// <summary>Refuses a call with a query parameter that is not known: a misspelt filter would make the wish a broader
/// one.</summary>
internal static class ExactQuery
{
    public static ValueTask<object?> CheckAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var endpoint = (RouteEndpoint)context.HttpContext.GetEndpoint()!;
        var known = endpoint.Metadata
            .OfType<IParameterBindingMetadata>()
            .Where(parameter => IsText(parameter) && endpoint.RoutePattern.GetParameter(parameter.Name) is null)
            .Select(NameOf)
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
        var unknown = context.HttpContext.Request.Query.Keys.FirstOrDefault(name => !known.Contains(name));
        return unknown is null
            ? next(context)
            : ValueTask.FromResult<object?>(TypedResults.Problem(
                known.Count == 0
                    ? "This call takes no query parameters."
                    : $"There is no such query parameter here; there are {string.Join(", ", known.Order(StringComparer.Ordinal))}.",
                statusCode: StatusCodes.Status400BadRequest));
    }

    private static bool IsText(IParameterBindingMetadata parameter) =>
        (Nullable.GetUnderlyingType(parameter.ParameterInfo.ParameterType) ?? parameter.ParameterInfo.ParameterType)
        is var type && (type == typeof(string) || (type.IsValueType && type != typeof(CancellationToken)));

    private static string NameOf(IParameterBindingMetadata parameter) => parameter.ParameterInfo
        .GetCustomAttributes(inherit: true)
        .OfType<IFromQueryMetadata>()
        .FirstOrDefault()?.Name ?? JsonNamingPolicy.SnakeCaseLower.ConvertName(parameter.Name);
}
