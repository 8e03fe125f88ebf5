using VarianceActors.Pipeline;

namespace VarianceActors.Host;

/// <summary>The whole process: web server and pipeline.</summary>
public static class VarianceHost
{
    /// <summary>Where it listens unless told otherwise.</summary>
    public const string DefaultUrl = "http://127.0.0.1:8000";

    /// <summary>Builds the host. The options are taken as checked; nothing but them configures it.</summary>
    public static WebApplication Build(PipelineOptions options, string[] urls)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel(kestrel => kestrel.AddServerHeader = false).UseUrls(urls);
        builder.Services.AddRouting().AddSingleton(options).AddSingleton(TimeProvider.System);

        var started = false;
        builder.Logging
            .AddSimpleConsole(console => console.SingleLine = true)
            .SetMinimumLevel(LogLevel.Information)

            // Below Warning the framework logs request addresses, and a query may hold a token.
            .AddFilter("Microsoft.AspNetCore", LogLevel.Warning)

            // A failed start reaches the caller as an exception; the log needs no second copy with a stack trace.
            .AddFilter("Microsoft.AspNetCore.Server.Kestrel", level => started && level >= LogLevel.Warning)
            .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level => started && level >= LogLevel.Warning);

        var app = builder.Build();
        app.Lifetime.ApplicationStarted.Register(() => started = true);
        app.MapGet("/health/live", () => Results.Text("live"));
        return app;
    }
}
