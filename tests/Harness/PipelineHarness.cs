using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using VarianceActors.Host;
using VarianceActors.Host.Configuration;
using VarianceActors.Host.Demo;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Harness;

/// <summary>How a harness is set up.</summary>
/// <param name="Mapping">The mapping of the connection <c>acme</c>: <c>contacts</c> or <c>plugin</c>.</param>
/// <param name="Hocon">Further configuration in HOCON, laid over what the harness writes, such as your own rules.</param>
/// <param name="DryRun">Whether the connection has no receiver.</param>
/// <param name="Store">Where everything is kept; null: see <see cref="TestStore"/>.</param>
public sealed record HarnessOptions(
    string Mapping = "contacts", string Hocon = "", bool DryRun = false, StoreKind? Store = null);

/// <summary>
/// The whole pipeline in this process: the real doors on a free port of loopback, real actors, a real SQLite in a temporary
/// folder (or a real PostgreSQL), a recording Variance whose answers a test scripts, and a clock that a test turns. There is one connection,
/// <see cref="Connection"/>.
/// </summary>
/// <example>
/// <code>
/// await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions());
/// await pipeline.CaptureAsync(new { @event = "signed up", distinct_id = "ada" });
/// await pipeline.SettledAsync();
/// Assert.Equal("track", pipeline.Variance.Received.Single().Type);
/// </code>
/// </example>
public sealed class PipelineHarness : IAsyncDisposable
{
    /// <summary>The id of the connection.</summary>
    public const string Connection = "acme";

    /// <summary>Its project token.</summary>
    public const string Token = "phc_acme";

    /// <summary>Its webhook secret.</summary>
    public const string WebhookSecret = "hook-secret-0123456789";

    /// <summary>The key of the API.</summary>
    public const string AdminKey = "admin-key-for-tests-0123456789";

    private const string Authorization = "Basic dGVzdDp0ZXN0";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private HarnessOptions _options;
    private readonly string _directory;
    private readonly string _store;
    private WebApplication _host;

    private PipelineHarness(
        HarnessOptions options, string directory, string store, VarianceStandIn variance, FakeTimeProvider clock)
    {
        _options = options;
        _store = store;
        _directory = directory;
        Variance = variance;
        Clock = clock;
        _host = null!;
        Http = null!;
    }

    /// <summary>The recording Variance.</summary>
    public VarianceStandIn Variance { get; }

    /// <summary>The pipeline's clock; it stands still until it is turned. Retries wait for it.</summary>
    public FakeTimeProvider Clock { get; }

    /// <summary>A client whose base address is the pipeline's.</summary>
    public HttpClient Http { get; private set; }

    /// <summary>The folder that the pipeline keeps its data in.</summary>
    public string DataDirectory => _directory;

    /// <summary>The pipeline's database, whatever it is.</summary>
    public PipelineDatabase Database => _host.Services.GetRequiredService<PipelineDatabase>();

    /// <summary>The services of the running host.</summary>
    public IServiceProvider Services => _host.Services;

    /// <summary>Starts everything; returns when the pipeline is ready.</summary>
    public static async Task<PipelineHarness> StartAsync(HarnessOptions? options = null)
    {
        var directory = Directory.CreateTempSubdirectory("variance-").FullName;
        var variance = await VarianceStandIn.StartAsync(Authorization);
        options ??= new HarnessOptions();
        var store = TestStore.Configuration(await TestStore.CreateAsync(options.Store));
        var harness = new PipelineHarness(
            options, directory, store, variance, new FakeTimeProvider(TimeProvider.System.GetUtcNow()));
        await harness.RunAsync();
        return harness;
    }

    /// <summary>Posts events to <c>/batch</c> as one request and expects 200; as PostHog's SDKs do, it sends them again, unchanged,
    /// while the answer is 503.</summary>
    /// <param name="events">Each is serialised to JSON as it is: use PostHog's names.</param>
    public async Task CaptureAsync(params object[] events)
    {
        await UntilAsync(
            async () =>
            {
                using var answer = await Http.PostAsJsonAsync("/batch", new { api_key = Token, batch = events });
                if (answer.StatusCode == HttpStatusCode.ServiceUnavailable)
                {
                    return false;
                }

                await ExpectOkAsync(answer);
                return true;
            },
            "the door takes events");
    }

    /// <summary>Posts one event to the webhook door and expects 200.</summary>
    /// <param name="eventJson">PostHog's event object.</param>
    public async Task WebhookAsync(string eventJson)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/webhooks/posthog");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {WebhookSecret}");
        request.Content = new StringContent($$"""{"event":{{eventJson}},"person":null}""", Encoding.UTF8, "application/json");
        using var answer = await Http.SendAsync(request);
        await ExpectOkAsync(answer);
    }

    /// <summary>The books of the connection, by column.</summary>
    public async Task<IReadOnlyDictionary<string, long>> LedgerAsync()
    {
        using var answer = await ApiAsync("ledger");
        return (await answer.Content.ReadFromJsonAsync<Dictionary<string, long>>())!;
    }

    /// <summary>The person behind a distinct id, as the API shows it; null if there is none.</summary>
    public async Task<JsonElement?> PersonAsync(string distinctId)
    {
        using var answer = await ApiAsync($"persons/{Uri.EscapeDataString(distinctId)}");
        return answer.StatusCode == HttpStatusCode.NotFound ? null : await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    /// <summary>Calls the API of the connection.</summary>
    /// <param name="path">What follows <c>/api/v1/connections/acme/</c>.</param>
    public async Task<HttpResponseMessage> ApiAsync(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/connections/{Connection}/{path}");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {AdminKey}");
        return await Http.SendAsync(request);
    }

    /// <summary>Calls the API of the connection with a body.</summary>
    /// <param name="method">The verb.</param>
    /// <param name="path">What follows <c>/api/v1/connections/acme/</c>.</param>
    /// <param name="body">Serialised to JSON as it is; null: no body.</param>
    public async Task<HttpResponseMessage> ApiAsync(HttpMethod method, string path, object? body = null)
    {
        using var request = new HttpRequestMessage(method, $"/api/v1/connections/{Connection}/{path}");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {AdminKey}");
        request.Content = body is null ? null : JsonContent.Create(body, body.GetType());
        return await Http.SendAsync(request);
    }

    /// <summary>Returns when no event of the connection is pending or parked and everything that is to be sent is sent.</summary>
    /// <param name="within">How long that may take; a minute unless given.</param>
    /// <exception cref="TimeoutException">Something still waits then.</exception>
    public Task SettledAsync(TimeSpan? within = null) =>
        UntilAsync(async () => await WaitingAsync() == 0, "no event waits", within);

    /// <summary>How many events of the connection are pending or parked; if none is, how many messages wait that no event
    /// became, as those of accounts.</summary>
    public async Task<long> WaitingAsync()
    {
        var ledger = await LedgerAsync();
        var events = ledger["pending"] + ledger["parked"];
        if (events > 0)
        {
            return events;
        }

        using var answer = await ApiAsync("delivery");
        var delivery = await answer.Content.ReadFromJsonAsync<JsonElement>();
        return delivery.GetProperty("backlog").GetProperty("waiting_messages").GetInt64();
    }

    /// <summary>Returns when no event of the connection is pending and the lists of contacts and accounts show all of
    /// them.</summary>
    /// <exception cref="TimeoutException">Something still waits after a minute.</exception>
    public async Task ViewsSettledAsync()
    {
        await SettledAsync();
        var views = Services.GetRequiredService<ViewQueries>();
        await UntilAsync(
            async () => await views.ReadWaitingAsync(Connection, CancellationToken.None) == 0, "the views are up to date");
    }

    /// <summary>Returns when a condition holds.</summary>
    /// <exception cref="TimeoutException">It does not hold after a minute.</exception>
    public static async Task UntilAsync(Func<Task<bool>> condition, string what, TimeSpan? within = null)
    {
        using var patience = new CancellationTokenSource(within ?? Patience);
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!await condition())
        {
            try
            {
                await ticks.WaitForNextTickAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"Waited for {within ?? Patience}, in vain, until {what}.");
            }
        }
    }

    /// <summary>Stops the pipeline as SIGTERM would and starts it again on the same data.</summary>
    /// <param name="meanwhile">What is done while it stands still.</param>
    /// <param name="hocon">Other configuration in place of <see cref="HarnessOptions.Hocon"/>; null: the same.</param>
    public async Task RestartAsync(Func<Task>? meanwhile = null, string? hocon = null)
    {
        await StopAsync();
        _options = _options with { Hocon = hocon ?? _options.Hocon };
        if (meanwhile is not null)
        {
            await meanwhile();
        }

        await RunAsync();
    }

    /// <summary>The configuration that the pipeline runs with, as HOCON.</summary>
    public string ConfigurationText => Configuration();

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await Variance.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private static async Task ExpectOkAsync(HttpResponseMessage answer)
    {
        if (!answer.IsSuccessStatusCode)
        {
            throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"The door answered {(int)answer.StatusCode}: ")
                + await answer.Content.ReadAsStringAsync());
        }
    }

    private async Task RunAsync()
    {
        _host = await VarianceHost.BuildAsync(
            PipelineConfiguration.ReadText(Configuration()), ["http://127.0.0.1:0"], Clock, LogLevel.Warning);
        await _host.StartAsync();
        var addresses = _host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
        Http = new HttpClient { BaseAddress = new Uri(addresses.Addresses.Single()) };
        await UntilAsync(
            async () =>
            {
                using var answer = await Http.GetAsync(new Uri("/health/ready", UriKind.Relative));
                return answer.IsSuccessStatusCode;
            },
            "the pipeline is ready");
    }

    private async Task StopAsync()
    {
        Http.Dispose();
        await _host.StopAsync();
        await _host.DisposeAsync();
    }

    private string Configuration() => $$"""
        variance {
          admin-key = "{{AdminKey}}"
          delivery { attempt-timeout = "00:10:00", deadline = "00:10:00" } # a turn of the clock must not end a request
          data-dir = "{{_directory.Replace("\\", "\\\\", StringComparison.Ordinal)}}"
          connections.{{Connection}} {
            tokens = ["{{Token}}"]
            webhook-secret = "{{WebhookSecret}}"
            url = "{{(_options.DryRun ? "" : Variance.Url)}}"
            authorization = "{{Authorization}}"
            mapping = {{_options.Mapping}}
            allow-private-network = on
            rate.per-second = 0
          }
        }
        {{_store}}
        {{_options.Hocon}}
        """;
}
