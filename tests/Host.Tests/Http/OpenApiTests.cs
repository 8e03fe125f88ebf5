using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Host.Tests.Http;

/// <summary>Guards the document that the API is known by.</summary>
public sealed partial class OpenApiTests
{
    [Fact]
    public async Task Every_call_is_documented_with_what_it_does_and_every_answer_with_its_shape()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true));
        var document = await pipeline.Http.GetFromJsonAsync<JsonElement>(new Uri("/openapi/v1.json", UriKind.Relative));
        var documented = document.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject()
                .Select(call => (Name: $"{call.Name.ToUpperInvariant()} {path.Name}", call.Value)))
            .ToDictionary(call => call.Name, call => call.Value);
        var routed = pipeline.Services.GetServices<EndpointDataSource>()
            .SelectMany(source => source.Endpoints)
            .OfType<RouteEndpoint>()
            .SelectMany(endpoint => (endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? [])
                .Select(method => $"{method} {Constraint().Replace(endpoint.RoutePattern.RawText!.TrimEnd('/'), "}")}"))
            .Where(call => call.Contains(" /api/v1", StringComparison.Ordinal) || call.Contains(" /health", StringComparison.Ordinal))
            .Distinct()
            .ToArray();

        Assert.True(routed.Length > 15, $"only {routed.Length} calls were found");
        Assert.Equal(routed.Order(), documented.Keys.Order());
        Assert.All(documented, call => Assert.Empty(FaultsOf(call.Key, call.Value)));
    }

    private static IEnumerable<string> FaultsOf(string name, JsonElement call)
    {
        if (!call.TryGetProperty("summary", out var summary) || !summary.GetString()!.EndsWith('.'))
        {
            yield return "it has no summary";
        }

        var answers = call.GetProperty("responses").EnumerateObject().ToArray();
        foreach (var answer in answers.Where(answer => !answer.Value.TryGetProperty("content", out _)))
        {
            yield return $"its answer {answer.Name} has no shape";
        }

        if (name.Contains("/api/", StringComparison.Ordinal))
        {
            foreach (var missing in new[] { "401", "404" }.Except(answers.Select(answer => answer.Name)))
            {
                yield return $"it does not say that it answers {missing}";
            }
        }
    }

    [GeneratedRegex(":[a-z]+}")]
    private static partial Regex Constraint();
}
