using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using VarianceActors.Databases;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Cluster.Tests;

/// <summary>Three nodes as processes, a PostgreSQL of their own, proxies between node and node, node and database, and node and
/// receiver, and a receiver that notes every delivery.</summary>
public class TestCluster : IAsyncLifetime
{
    /// <summary>From how many clicks on a contact is in the stage <c>busy</c>.</summary>
    internal const int BusyFrom = 10;

    private const string Authorization = "Basic Y2x1c3Rlcjp0ZXN0";
    private static readonly string[] Common = ["/system/sharding/", "/user/stage-sweep", "endpointWriter", "Tried to associate"];
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);
    private readonly ConcurrentQueue<Arrival> _arrivals = [];
    private int _doneTracks;
    private readonly List<ChaosProxy> _links = [];
    private VarianceStandIn _variance = null!;
    private string _database = "";

    internal IReadOnlyList<ClusterNode> Nodes { get; } = [new(1), new(2), new(3)];

    internal PostgresServer Postgres { get; private set; } = null!;

    /// <summary>Between all nodes and the database.</summary>
    internal ChaosProxy DatabaseLink { get; private set; } = null!;

    /// <summary>Between all nodes and the receiver.</summary>
    internal ChaosProxy ReceiverLink { get; private set; } = null!;

    /// <summary>What the receiver answers; takes everything unless a test says otherwise.</summary>
    internal Func<ReceivedMessage, ValueTask<StandInAnswer>> Answer { get; set; } =
        _ => ValueTask.FromResult(StandInAnswer.Ok);

    /// <summary>How many track messages were answered for good.</summary>
    internal int Tracks => Volatile.Read(ref _doneTracks);

    /// <summary>The build that the nodes begin with; null for this one.</summary>
    protected virtual string? Program => null;

    /// <summary>After which time without events a person leaves memory.</summary>
    protected virtual TimeSpan IdleTimeout => TimeSpan.FromSeconds(1);

    /// <summary>Everything that the receiver got, in order.</summary>
    internal IReadOnlyCollection<Arrival> Arrivals => _arrivals;

    /// <summary>How many pieces were held back on their way from node to node.</summary>
    internal long Held => _links.Sum(link => link.Held);

    /// <summary>From which node to which one nothing gets through.</summary>
    internal ConcurrentDictionary<(int From, int To), bool> Apart { get; } = [];

    public async Task InitializeAsync()
    {
        Postgres = await PostgresServer.StartAsync();
        _database = (await Postgres.CreateDatabaseAsync()).Split("Database=")[1].Split(';')[0];
        DatabaseLink = new ChaosProxy(Postgres.Port);
        _variance = await VarianceStandIn.StartAsync(Authorization, keepsReceived: false);
        _variance.Answer = NoteAsync;
        ReceiverLink = new ChaosProxy(_variance.Url.Port);
        foreach (var node in Nodes)
        {
            var link = new ChaosProxy(node.RemotingPort);
            link.IsSilent = (source, isToTarget) => !Apart.IsEmpty && IsApart(source, node.Number, isToTarget);
            _links.Add(link);
        }

        foreach (var node in Nodes)
        {
            node.Program = Program ?? node.Program;
            node.Configure(Configuration(node, PostgresServer.ConnectionString(_database, DatabaseLink.Port)));
            node.Start();
        }

        await ReadyAsync();
    }

    public async Task DisposeAsync()
    {
        foreach (var node in Nodes)
        {
            await node.DisposeAsync();
        }

        foreach (var link in _links)
        {
            await link.DisposeAsync();
        }

        await DatabaseLink.DisposeAsync();
        await ReceiverLink.DisposeAsync();
        await _variance.DisposeAsync();
        await Postgres.DisposeAsync();
    }

    /// <summary>Returns when every node is ready.</summary>
    internal Task<TimeSpan> ReadyAsync() => UntilAsync(
        async () => (await Task.WhenAll(Nodes.Select(node => node.LookAsync()))).All(isReady => isReady), "all are ready");

    /// <summary>Cuts a node off from the others: from what it says to them, what they say to it, or both.</summary>
    internal void CutOff(ClusterNode alone, bool isMute, bool isDeaf)
    {
        foreach (var other in Nodes.Where(node => node != alone))
        {
            if (isMute)
            {
                Apart[(alone.Number, other.Number)] = true;
            }

            if (isDeaf)
            {
                Apart[(other.Number, alone.Number)] = true;
            }
        }
    }

    /// <summary>Returns how long it took until a condition held.</summary>
    internal static async Task<TimeSpan> UntilAsync(Func<Task<bool>> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            if (clock.Elapsed > Patience)
            {
                throw new TimeoutException($"Waited in vain until {what}.");
            }

            await ticks.WaitForNextTickAsync();
        }

        return clock.Elapsed;
    }

    /// <summary>The books, as any node tells them.</summary>
    internal async Task<Dictionary<string, long>> LedgerAsync()
    {
        foreach (var node in Nodes.Where(node => node.IsReady))
        {
            try
            {
                using var answer = await node.Http.GetAsync(Api("ledger"));
                if (answer.IsSuccessStatusCode)
                {
                    return (await answer.Content.ReadFromJsonAsync<Dictionary<string, long>>())!;
                }
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // The next one.
            }
        }

        return new Dictionary<string, long> { ["pending"] = long.MaxValue };
    }

    /// <summary>The distinct ids of a person, sorted, as a node tells them.</summary>
    internal async Task<IReadOnlyList<string>> IdsAsync(string distinctId)
    {
        var ids = Array.Empty<string>();
        await UntilAsync(
            async () =>
            {
                try
                {
                    var node = Nodes.FirstOrDefault(one => one.IsReady) ?? Nodes[0];
                    using var answer = await node.Http.GetAsync(Api($"persons/{Uri.EscapeDataString(distinctId)}"));
                    if (!answer.IsSuccessStatusCode)
                    {
                        return false;
                    }

                    var person = await answer.Content.ReadFromJsonAsync<JsonElement>();
                    ids = [.. person.GetProperty("distinct_ids").EnumerateArray().Select(id => id.GetString()!)];
                    return true;
                }
                catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
                {
                    return false; // the node has died meanwhile
                }
            },
            "a person answers");
        return ids;
    }

    /// <summary>Returns when the views have learnt everything.</summary>
    internal Task ViewsSettledAsync() => UntilAsync(
        async () =>
        {
            using var answer = await Nodes[0].Http.GetAsync(Api("views"));
            return answer.IsSuccessStatusCode
                && (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("waiting").GetInt64() == 0;
        },
        "the views are up to date");

    /// <summary>What the API says, under the connection.</summary>
    internal async Task<JsonElement> ApiAsync(string path)
    {
        using var answer = await Nodes[0].Http.GetAsync(Api(path));
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    /// <summary>Does something with all nodes, and tells what they say if it fails.</summary>
    internal async Task TellingAsync(ITestOutputHelper output, Func<Task> what)
    {
        try
        {
            await ReadyAsync();
            await what();
        }
        catch
        {
            output.WriteLine(await OutputAsync());
            throw;
        }
    }

    /// <summary>What the nodes say of themselves, and the last lines that they wrote, for the one who looks for a
    /// reason.</summary>
    private async Task<string> OutputAsync()
    {
        var health = await Task.WhenAll(Nodes.Select(async node => $"{node.Number}: {await node.HealthAsync()}"));
        return string.Join('\n', health.Concat(Nodes.SelectMany(node => node.Output
            .Where(line => line.Length > 0 && !Common.Any(word => line.Contains(word, StringComparison.Ordinal)))
            .TakeLast(25)
            .Select(line => $"{node.Number}: {line[..Math.Min(line.Length, 400)]}"))));
    }

    private static Uri Api(string path) => new($"/api/v1/connections/{PipelineHarness.Connection}/{path}", UriKind.Relative);

    /// <summary>The nodes in the order in which they became members: the first one is the oldest, which has the coordinators.</summary>
    internal async Task<IReadOnlyList<ClusterNode>> ByAgeAsync()
    {
        var ports = (string)(await Postgres.ExecuteAsync(
            _database, "SELECT string_agg(address, ' ' ORDER BY joined_at) FROM pipeline.node WHERE joined_at IS NOT NULL"))!;
        return
        [
            .. ports.Split(' ')
                .Select(address => int.Parse(address[(address.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture))
                .Select(port => Nodes[_links.FindIndex(link => link.Port == port)]),
        ];
    }

    /// <summary>How many merges are under way.</summary>
    internal async Task<long> MergingAsync() =>
        (long)(await Postgres.ExecuteAsync(_database, "SELECT count(*) FROM pipeline.unfinished_merge"))!;

    /// <summary>Returns when no merge is under way in any home.</summary>
    internal Task MergedAsync() => UntilAsync(
        async () => await MergingAsync() == 0,
        "no merge is under way");

    /// <summary>The message ids of the tracks that are dead letters.</summary>
    internal async Task<HashSet<string>> DeadTracksAsync()
    {
        var ids = new HashSet<string>();
        var after = "";
        while (true)
        {
            var page = await ApiAsync($"dead-letters?type=track&limit=200{after}");
            ids.UnionWith(page.GetProperty("items").EnumerateArray().Select(one => one.GetProperty("message_id").GetString()!));
            if (page.GetProperty("next") is not { ValueKind: JsonValueKind.Number } next)
            {
                return ids;
            }

            after = $"&after={next.GetInt64()}";
        }
    }

    private async ValueTask<StandInAnswer> NoteAsync(ReceivedMessage message)
    {
        var begun = Stopwatch.GetTimestamp();
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(message.Body.GetRawText()));
        var answer = await Answer(message);
        var arrival = new Arrival(
            message.MessageId,
            Convert.ToHexString(hash.AsSpan(0, 16)),
            begun,
            answer.Reset ? 0 : answer.Status,
            int.Parse(message.Source, CultureInfo.InvariantCulture));
        _arrivals.Enqueue(arrival);
        if (message.Type == "track" && arrival.IsDone)
        {
            Interlocked.Increment(ref _doneTracks);
        }

        return answer;
    }

    /// <summary>Whose connection it is, by the kernel's tables: all nodes share one address.</summary>
    private bool IsApart(int sourcePort, int target, bool isToTarget) =>
        Nodes.FirstOrDefault(node => Sockets.Owns(node.Id, sourcePort)) is { Number: var source }
            && Apart.ContainsKey(isToTarget ? (source, target) : (target, source));

    private string Configuration(ClusterNode node, string connectionString) => $$"""
        variance {
          admin-key = "{{PipelineHarness.AdminKey}}"
          store = postgres
          postgres {
            connection-string = "{{connectionString}}"
            writers-max = 3
            readers-max = 3
            journal-connections-max = 8
            statement-timeout = "00:00:05"
            lock-timeout = "00:00:04"
          }
          people.idle-timeout = "{{IdleTimeout}}"
          cluster {
            hostname = "127.0.0.1"
            port = {{_links[node.Number - 1].Port}}
            bind-port = {{node.RemotingPort}}
            stop-after = "00:00:03"
          }
          connections.{{PipelineHarness.Connection}} {
            tokens = ["{{PipelineHarness.Token}}"]
            url = "http://127.0.0.1:{{ReceiverLink.Port}}/hook"
            headers = ["X-Source: {{node.Number}}"]
            authorization = "{{Authorization}}"
            allow-private-network = on
            rate.per-second = 0
            stages {
              contacts = ["lead: always", "busy: event 'clicked' at least {{BusyFrom}} times"]
              change-events = off
            }
          }
        }
        """;
}

/// <summary>One POST that the receiver got.</summary>
/// <param name="MessageId">Its id.</param>
/// <param name="Hash">The hash of its bytes.</param>
/// <param name="At">When it came, by <see cref="Stopwatch.GetTimestamp"/>.</param>
/// <param name="Status">What it was answered; 0: the connection was cut.</param>
/// <param name="Source">The node that sent it.</param>
internal sealed record Arrival(string MessageId, string Hash, long At, int Status, int Source)
{
    /// <summary>Whether it need not come again.</summary>
    public bool IsDone => Status is 200 or 400;
}
