using OpenTelemetry.Metrics;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Metering;

namespace VarianceActors.Host.Http;

/// <summary>The page that Prometheus reads: the pipeline's metrics and the runtime's. Whoever may call the API may read
/// it.</summary>
internal static class MetricsPage
{
    private const string Path = "/metrics";

    public static void AddMetricsPage(this IServiceCollection services) => services
        .AddOpenTelemetry()
        .WithMetrics(metrics => metrics
            .AddMeter(PipelineMeter.Name, "System.Runtime")
            .AddPrometheusExporter(exporter => exporter.ScrapeResponseCacheDurationMilliseconds = 0));

    public static void MapMetricsPage(this WebApplication app, PipelineOptions options)
    {
        var access = new AdminAccess(options);
        app.MapPrometheusScrapingEndpoint(
            Path, meterProvider: null, branch => branch.Use(next => http => access.InvokeAsync(http, next)), optionsName: null);
    }
}
