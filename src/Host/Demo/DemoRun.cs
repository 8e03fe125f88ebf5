using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Spectre.Console;
using VarianceActors.Host.Configuration;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Host.Demo;

/// <summary>
/// The whole thing without any set-up: a node on SQLite in a temporary folder, a stand-in for Variance, and the bundled traffic
/// played through the real doors.
/// </summary>
internal sealed class DemoRun(IAnsiConsole console)
{
    private const string Connection = "demo";
    private const string Authorization = "Basic ZGVtbzpkZW1v";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Runs the demo.</summary>
    /// <param name="once">Whether to end when everything is delivered; otherwise the node goes on until it is told to stop.</param>
    /// <param name="cancellationToken">Ends it at once.</param>
    /// <returns>0 if every request was answered as expected, everything arrived, and the books balance; else 1.</returns>
    public async Task<int> RunAsync(bool once, CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("variance-demo-");
        try
        {
            await using var variance = await VarianceStandIn.StartAsync(Authorization);
            await using var node = await VarianceHost.BuildAsync(
                PipelineConfiguration.ReadText(ConfigurationText(directory.FullName, variance.Url)),
                ["http://127.0.0.1:0"],
                TimeProvider.System,
                LogLevel.Error);
            await node.StartAsync(cancellationToken);
            var good = await PlayAsync(node, variance, cancellationToken);
            if (!once)
            {
                await StayAsync(node, cancellationToken);
            }

            await node.StopAsync(CancellationToken.None);
            return good ? 0 : 1;
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static string ConfigurationText(string directory, Uri url) => $$"""
        variance {
          data-dir = "{{directory.Replace("\\", "\\\\", StringComparison.Ordinal)}}"
          connections.{{Connection}} {
            tokens = ["{{DemoTraffic.Token}}"]
            url = "{{url}}"
            authorization = "{{Authorization}}"
            allow-private-network = on
            group-type = "company"
            rate { per-second = 2000, burst = 200 }
          }
        }
        """;

    private static string BaseAddress(WebApplication node) =>
        node.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    private async Task<bool> PlayAsync(WebApplication node, VarianceStandIn variance, CancellationToken cancellationToken)
    {
        var queries = node.Services.GetRequiredService<PipelineQueries>();
        using var http = new HttpClient { BaseAddress = new Uri(BaseAddress(node)) };
        var surprises = 0;
        LedgerBalance? ledger = null;
        await console.Progress().HideCompleted(false).StartAsync(async progress =>
        {
            surprises = await SendAsync(http, progress, cancellationToken);
            ledger = await DrainAsync(queries, progress, cancellationToken);
        });
        Show(variance, ledger!);
        return Judge(variance, ledger!, surprises);
    }

    private static async Task<int> SendAsync(HttpClient http, ProgressContext progress, CancellationToken cancellationToken)
    {
        var requests = DemoTraffic.Read();
        var sent = progress.AddTask("PostHog requests sent", maxValue: requests.Count);
        var surprises = 0;
        foreach (var request in requests)
        {
            using var message = request.ToHttp();
            using var answer = await http.SendAsync(message, cancellationToken);
            surprises += (int)answer.StatusCode == request.Expect ? 0 : 1;
            sent.Increment(1);
        }

        return surprises;
    }

    private static async Task<LedgerBalance> DrainAsync(
        PipelineQueries queries, ProgressContext progress, CancellationToken cancellationToken)
    {
        var ledger = await queries.ReadLedgerAsync(Connection, cancellationToken);
        var finished = progress.AddTask("Events delivered to Variance", maxValue: ledger.Accepted);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        do
        {
            ledger = await queries.ReadLedgerAsync(Connection, patience.Token);
            finished.Value = ledger.Accepted - ledger.Pending - ledger.Parked;
        }
        while (ledger.Pending + ledger.Parked > 0 && await ticks.WaitForNextTickAsync(patience.Token));

        return ledger;
    }

    private void Show(VarianceStandIn variance, LedgerBalance ledger)
    {
        console.Write(Tables.Messages(variance.Received));
        console.Write(Tables.Contacts(variance.Received));
        console.Write(Tables.Ledger(ledger));
    }

    private bool Judge(VarianceStandIn variance, LedgerBalance ledger, int surprises)
    {
        var sum = ledger.Delivered + ledger.Pending + ledger.Dead + ledger.Parked + ledger.Filtered + ledger.Suppressed
            + ledger.Refused + ledger.Coalesced + ledger.Skipped + ledger.Discarded + ledger.Duplicates;
        var balanced = ledger.Accepted == sum && ledger is { Pending: 0, Parked: 0, Dead: 0, Imbalance: 0, Accepted: > 0 };
        var repeated = variance.Received.Length - variance.Received.DistinctBy(message => message.MessageId).Count();
        var good = balanced && surprises == 0 && repeated == 0 && variance.Unauthorized == 0;
        console.MarkupLine(good
            ? "[green]The books balance: every accepted event is accounted for, every message arrived once.[/]"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"[red]Something is wrong: accepted {ledger.Accepted}, accounted for {sum}, unexpected answers {surprises}, "
                + $"messages that came twice {repeated}, without authorization {variance.Unauthorized}.[/]"));
        return good;
    }

    private async Task StayAsync(WebApplication node, CancellationToken cancellationToken)
    {
        var address = BaseAddress(node);
        console.MarkupLine($"The node goes on at {address}; Ctrl-C ends it. For instance:");
        console.WriteLine($"  curl {address}/api/v1/connections/{Connection}/persons/user-1000");
        console.WriteLine($"  curl {address}/api/v1/connections/{Connection}/ledger");
        var stopped = new TaskCompletionSource();
        await using var onCancel = cancellationToken.Register(stopped.SetResult);
        await using var onStop = node.Lifetime.ApplicationStopping.Register(() => stopped.TrySetResult());
        await stopped.Task;
    }

    /// <summary>What is shown at the end.</summary>
    private static class Tables
    {
        private const int ContactsShown = 12;
        private static readonly string[] DescribingFields = ["event", "userId", "anonymousId", "groupId", "previousId"];

        public static Table Messages(IReadOnlyCollection<ReceivedMessage> received)
        {
            var table = new Table().Title("What Variance received").AddColumn("Call").AddColumn("Messages").AddColumn("For instance");
            foreach (var group in received.GroupBy(message => message.Type).OrderByDescending(group => group.Count()))
            {
                table.AddRow(
                    group.Key,
                    group.Count().ToString(CultureInfo.InvariantCulture),
                    Markup.Escape(Describe(group.First().Body)));
            }

            return table;
        }

        public static Table Contacts(IReadOnlyCollection<ReceivedMessage> received)
        {
            var latest = received
                .Where(message => message.Type == "identify" && Text(message.Body, "userId").Length > 0)
                .GroupBy(message => Text(message.Body, "userId"))
                .Select(group => group.Last().Body)
                .ToList();
            var table = new Table()
                .Title($"Contacts ({Math.Min(ContactsShown, latest.Count)} of {latest.Count})")
                .AddColumns("User", "Name", "E-mail", "Plan");
            foreach (var identify in latest.Take(ContactsShown))
            {
                var traits = identify.TryGetProperty("traits", out var found) ? found : default;
                table.AddRow(
                    Markup.Escape(Text(identify, "userId")),
                    Markup.Escape(Text(traits, "name")),
                    Markup.Escape(Text(traits, "email")),
                    Markup.Escape(Text(traits, "plan")));
            }

            return table;
        }

        public static Table Ledger(LedgerBalance ledger) => new Table()
            .Title("The books")
            .AddColumns(
                "Accepted", "Delivered", "Pending", "Parked", "Dead", "Discarded", "Coalesced", "Skipped", "Filtered",
                "Suppressed", "Refused", "Duplicates")
            .AddRow(
            [
                .. new[]
                {
                    ledger.Accepted, ledger.Delivered, ledger.Pending, ledger.Parked, ledger.Dead, ledger.Discarded,
                    ledger.Coalesced, ledger.Skipped, ledger.Filtered, ledger.Suppressed, ledger.Refused, ledger.Duplicates,
                }.Select(number => number.ToString(CultureInfo.InvariantCulture)),
            ]);

        private static string Describe(JsonElement body) => string.Join(
            ", ",
            DescribingFields
                .Select(name => (Name: name, Value: Text(body, name)))
                .Where(field => field.Value.Length > 0)
                .Select(field => $"{field.Name}: {field.Value}"));

        private static string Text(JsonElement json, string name) =>
            json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value)
                ? value.ToString()
                : "";
    }
}
