using System.Net;
using Npgsql;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Sources;
using VarianceActors.WolverinePeer;
using Wolverine;
using Wolverine.Postgresql;
using Wolverine.RDBMS;
using Wolverine.Runtime;

// serve <port> <url> <connection string>: decodes and maps with this project's own code; what keeps and sends is Wolverine's.
var (port, url, database) = (int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture), args[2], args[3]);
var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
await using var source = NpgsqlDataSource.Create(database);
builder.Services.AddSingleton(source);
builder.Services.AddSingleton(new HttpClient { BaseAddress = new Uri(url) });
builder.Host.UseWolverine(options =>
{
    options.UseRuntimeCompilation();
    options.PersistMessagesWithPostgresql(source, "wolverine");
    options.Durability.Mode = DurabilityMode.Solo;
    options.Policies.UseDurableLocalQueues();
    options.LocalQueueFor<MappedMessage>().UseDurableInbox().MaximumParallelMessages(64);
});
var app = builder.Build();
app.MapPost("/batch", TakeAsync);
app.MapPost("/i/v0/e", TakeAsync);
await app.StartAsync();
await Console.Out.WriteLineAsync("ready");
await Console.In.ReadToEndAsync();
await app.StopAsync();

// One transaction holds the messages of a request: Wolverine's inbox is written in it, and the queue gets them after it.
static async Task TakeAsync(HttpContext http, IWolverineRuntime runtime, NpgsqlDataSource source)
{
    var messages = await MessagesOfAsync(http);
    await using var connection = await source.OpenConnectionAsync(http.RequestAborted);
    await using var transaction = await connection.BeginTransactionAsync(http.RequestAborted);
    var context = new MessageContext(runtime);
    await context.EnlistInOutboxAsync(new DatabaseEnvelopeTransaction((IMessageDatabase)runtime.Storage, transaction));
    foreach (var message in messages)
    {
        await context.PublishAsync(message);
    }

    await transaction.CommitAsync(http.RequestAborted);
    await context.FlushOutgoingMessagesAsync();
    await http.Response.WriteAsJsonAsync(new { status = 1 }, http.RequestAborted);
}

static async Task<List<MappedMessage>> MessagesOfAsync(HttpContext http)
{
    using var body = new MemoryStream();
    await http.Request.Body.CopyToAsync(body, http.RequestAborted);
    var path = http.Request.Path.StartsWithSegments("/batch") ? CapturePath.Batch : CapturePath.Events;
    var request = new CaptureRequest(path, body.ToArray(), TimeProvider.System.GetUtcNow());
    return
    [
        .. ((CaptureDecoding.Accepted)CaptureRequestDecoder.Decode(request, new SourcesOptions
        {
            BodyBytesMax = 20 << 20,
            EventBodyBytesMax = 2 << 20,
            WebhookBodyBytesMax = 2 << 20,
            InflatedBytesMax = 100 << 20,
            EventBytesMax = 1_000_000,
            JsonDepthMax = 64,
            EventsMax = 10_000,
        })).Events
            .SelectMany(captured => PluginMapping.Map(captured).Messages)
            .Select(message => new MappedMessage(System.Text.Encoding.UTF8.GetString(message.Body.Span))),
    ];
}
