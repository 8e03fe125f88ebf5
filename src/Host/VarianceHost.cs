using System.Text.Json;
using System.Text.Json.Serialization;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.Extensions.Options;
using VarianceActors.Host.Commands;
using VarianceActors.Host.Http;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Clustering;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Ingest;
using VarianceActors.Pipeline.Metering;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Host;

/// <summary>Puts a node together: stores, actors, doors and API.</summary>
public static partial class VarianceHost
{
    /// <summary>Where a node listens unless told otherwise.</summary>
    public const string DefaultUrl = "http://127.0.0.1:8000";

    // Bodies of messages stand in answers, and are deeper than events are.
    private const int ApiDepthMax = 1_024;

    /// <summary>Opens the stores and builds the node; it runs when the application is started.</summary>
    /// <param name="options">The configuration, already validated.</param>
    /// <param name="urls">Where to listen.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logLevel">What is logged to the console.</param>
    /// <exception cref="IOException">The data directory cannot be made or written.</exception>
    public static async Task<WebApplication> BuildAsync(
        PipelineOptions options, string[] urls, TimeProvider time, LogLevel logLevel)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel(kestrel => kestrel.AddServerHeader = false).UseUrls(urls);
        var started = false;
        builder.Logging
            .AddSimpleConsole(console => console.SingleLine = true)
            .SetMinimumLevel(logLevel)

            // Below Warning the framework logs request addresses, and a query may hold a token.
            .AddFilter("Microsoft.AspNetCore", LogLevel.Warning)

            // A failed start reaches the caller as an exception; the log needs no second copy with a stack trace.
            .AddFilter("Microsoft.AspNetCore.Server.Kestrel", level => started && level >= LogLevel.Warning)
            .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level => started && level >= LogLevel.Warning);
        builder.Services.AddRouting();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30) + options.Cluster.StopAfter);

        var inUse = options.Store == StoreKind.Sqlite ? DataDirectory.Lock(options.DataDir) : null;
        var breakage = new Breakage();
        var database = PipelineDatabase.Open(options, breakage.Report);
        var layout = await PipelineLayout.ReadAsync(
            database, options.Inbox.Partitions, options.Outbox.DeliveryPartitions, options.Connections.Keys);

        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(_ => database); // by factories, so that they are closed at the end
        if (inUse is not null)
        {
            builder.Services.AddSingleton(_ => inUse);
        }

        builder.Services.AddSingleton(services => new PipelineParts(
            options,
            services.GetRequiredService<PipelineDatabase>(),
            layout,
            time,
            services.GetRequiredService<IHostApplicationLifetime>().ApplicationStarted)
        {
            Meter = services.GetRequiredService<PipelineMeter>(),
            Watch = services.GetRequiredService<NodeWatch>(),
        });
        builder.Services.AddSingleton(services => new Departure(
            services.GetRequiredService<ILogger<Departure>>(), options.Cluster.StopAfter, TimeProvider.System));
        builder.Services.AddHostedService(services => services.GetRequiredService<Departure>());
        builder.Services.AddSingleton(services => new NodeWatch(
            options.Cluster.IsClustered, services.GetRequiredService<Departure>().Lose));
        builder.Services.AddSingleton<Readiness>();
        builder.Services.AddSingleton<PipelineMeter>();
        builder.Services.AddMetricsPage();
        builder.Services.AddSingleton(time);
        builder.Services.AddSingleton(Options.Create(options.Sources));
        builder.Services.AddSingleton<BodyBudget>();
        builder.Services.AddSingleton(Directory(options));
        builder.Services.AddSingleton<PipelineQueries>();
        builder.Services.AddSingleton<DeadLetterDesk>();
        builder.Services.AddSingleton<PersonJournal>();
        builder.Services.AddSingleton<Corrections>();
        builder.Services.AddSingleton<MergeUndo>();
        builder.Services.AddSingleton<AccountMerging>();
        builder.Services.AddSingleton<ContactPinning>();
        builder.Services.AddSingleton<StagePreview>();
        builder.Services.AddSingleton<ViewQueries>();
        builder.Services.AddSingleton<ErasureDesk>();
        builder.Services.AddSingleton(services => new InboxWriter(
            database,
            layout,
            options.Inbox,
            WakeIngest(services.GetRequiredService<IRequiredActor<IngestRegion>>()),
            breakage.Report));
        builder.Services.AddSingleton<AppendEvents>(
            services => services.GetRequiredService<InboxWriter>().AppendAsync);
        builder.Services.AddOpenApi("v1", ApiDocument.Describe);
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
            json.SerializerOptions.MaxDepth = ApiDepthMax;
            json.SerializerOptions.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        });
        builder.Services.AddAkka(NodeHosting.SystemName, (akka, services) => akka.ConfigureLoggers(loggers =>
        {
            loggers.ClearLoggers();
            loggers.AddLoggerFactory();
        }).WithPipeline(services.GetRequiredService<PipelineParts>()));

        var app = builder.Build();
        app.Services.GetService<FileStream>();
        if (layout.Partitioning.Partitions != options.Inbox.Partitions
            || layout.DeliveryPartitions != options.Outbox.DeliveryPartitions)
        {
            LogFixed(app.Logger, layout.Partitioning.Partitions, layout.DeliveryPartitions);
        }

        app.Lifetime.ApplicationStarted.Register(() => started = true);
        breakage.StopOnReport(app);
        app.UseDatabaseAway();
        app.UseExactFaults();
        app.MapHealth();
        app.MapMetricsPage(options);
        if (options.Cluster.Roles.Contains(NodeRoles.Web))
        {
            app.MapOpenApi("/openapi/{documentName}.json");
            app.MapCaptureDoor();
            app.MapWebhookDoor();
            app.MapSdkDoor();
            app.MapApi();
        }

        return app;
    }

    [LoggerMessage(
        LogLevel.Warning,
        "The database was made with inbox.partitions = {Partitions} and outbox.delivery-partitions = {DeliveryPartitions}; "
        + "these stay, whatever the configuration says.")]
    private static partial void LogFixed(ILogger logger, int partitions, int deliveryPartitions);

    private static ConnectionDirectory Directory(PipelineOptions options) => new(options.Connections.Select(
        connection => new ConnectionKeys(
            connection.Key,
            [.. connection.Value.Tokens.Select(token => token.Trim())],
            connection.Value.WebhookSecret.Length == 0
                ? []
                : [ConnectionDirectory.DigestOf(connection.Value.WebhookSecret)])));

    private static Action<int> WakeIngest(IRequiredActor<IngestRegion> region) =>
        partition => region.ActorRef.Tell(new IngestMessage.Poke(partition));
}
