using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using Spectre.Console;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks;

/// <summary>How long the page of an account takes through HTTP: of accounts with many members that are not in memory, and again once
/// they are. SQLite, after a start, when the page of smaller accounts has been asked for.</summary>
internal sealed class AccountRun(int members)
{
    private const int Large = 3;
    private const int Small = 50;
    private const int MembersOfSmall = 3;
    private const int PerRequest = 200;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var host = await BenchmarkHost.StartAsync(HostSettings.For(null, "contacts"), cancellationToken);
        using var http = new HttpClient { BaseAddress = host.Url };
        var events = Enumerable.Range(0, Large).SelectMany(account => EventsOf("large", account, members))
            .Concat(Enumerable.Range(0, Small).SelectMany(account => EventsOf("small", account, MembersOfSmall)));
        foreach (var batch in events.Chunk(PerRequest))
        {
            using var answer = await http.PostAsJsonAsync(
                new Uri("batch/", UriKind.Relative), new { api_key = BenchmarkHost.Token, batch }, cancellationToken);
            answer.EnsureSuccessStatusCode();
        }

        await host.SettledAsync(cancellationToken);
        await host.RestartAsync(cancellationToken);
        for (var account = 0; account < Small; account++)
        {
            await AskAsync(host, "small", account);
        }

        var table = new Table()
            .Title(string.Create(CultureInfo.InvariantCulture, $"Pages of accounts with {members:N0} members"))
            .AddColumns("account", "not in memory", "in memory");
        for (var account = 0; account < Large; account++)
        {
            table.AddRow(IdOf("large", account), await AskAsync(host, "large", account), await AskAsync(host, "large", account));
        }

        AnsiConsole.Write(table);
        return 0;
    }

    private static async Task<string> AskAsync(BenchmarkHost host, string size, int account)
    {
        var watch = Stopwatch.StartNew();
        await host.ReadAsync($"accounts/{IdOf(size, account)}");
        return string.Create(CultureInfo.InvariantCulture, $"{watch.Elapsed.TotalMilliseconds:N1} ms");
    }

    private static string IdOf(string size, int account) => string.Create(CultureInfo.InvariantCulture, $"{size}-{account}.com");

    private static IEnumerable<object> EventsOf(string size, int account, int count)
    {
        for (var member = 0; member < count; member++)
        {
            var id = string.Create(CultureInfo.InvariantCulture, $"u{member}@{IdOf(size, account)}");
            yield return new
            {
                @event = "$identify",
                distinct_id = id,
                properties = new Dictionary<string, object>
                {
                    ["$anon_distinct_id"] = "device-" + id,
                    ["$set"] = new { email = id, name = "Contact " + id },
                },
            };
        }
    }
}
