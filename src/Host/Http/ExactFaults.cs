using System.Text.Json;
using System.Text.RegularExpressions;

namespace VarianceActors.Host.Http;

/// <summary>Tells what is wrong with a call of the API that cannot be read, as problem details: a number that is none, a body
/// that is no JSON, a name that is not known.</summary>
internal static partial class ExactFaults
{
    public static void UseExactFaults(this IApplicationBuilder app) => app.Use(async (http, next) =>
    {
        try
        {
            await next(http);
        }
        catch (BadHttpRequestException fault) when (http.Request.Path.StartsWithSegments("/api") && !http.Response.HasStarted)
        {
            await Results.Problem(Text(fault), statusCode: fault.StatusCode).ExecuteAsync(http);
        }
    });

    /// <summary>The reader's own words where it names the place; never the value, which may be a person's.</summary>
    private static string Text(BadHttpRequestException fault) => fault.InnerException switch
    {
        JsonException { Path: { } path } json when json.Message.Contains("could not be mapped", StringComparison.Ordinal) =>
            $"The body has a name that is not known here, at {path}.",
        JsonException { Path: { } path, LineNumber: { } line } => $"The body cannot be read at {path} (line {line + 1}).",
        JsonException => "The body is no JSON.",
        _ when Parameter().Match(fault.Message) is { Success: true } parameter =>
            $"{JsonNamingPolicy.SnakeCaseLower.ConvertName(parameter.Groups[1].Value)} cannot be read; give what the OpenAPI "
            + "document says.",
        _ => fault.Message.Split(" from \"", 2)[0].TrimEnd('.') + ".",
    };

    [GeneratedRegex("^Failed to bind parameter \"[^\"]* ([A-Za-z]+)\"")]
    private static partial Regex Parameter();
}
