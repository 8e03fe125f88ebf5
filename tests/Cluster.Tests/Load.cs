using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Cluster.Tests;

/// <summary>
/// Senders as PostHog's SDKs are: each has some persons, sends their events in order, and sends again what was not answered with
/// 200. Every fifth event makes another device of its person known, up to fifty, and says that the person works at the other one of
/// two companies. What was answered with 200 is noted, and in the end
/// everything that must hold is checked.
/// </summary>
internal sealed class Load : IAsyncDisposable
{
    private const int Senders = 12;
    private const int DevicesMax = 50;
    private static readonly ParallelOptions Few = new() { MaxDegreeOfParallelism = 8 };
    private readonly TestCluster _cluster;
    private readonly string _run = Guid.NewGuid().ToString("n")[..8];
    private readonly ConcurrentDictionary<Guid, Sent> _sent = [];
    private readonly ConcurrentQueue<(long At, double Milliseconds)> _answered = [];
    private readonly ConcurrentQueue<Failure> _failures = [];
    private readonly ConcurrentDictionary<string, HashSet<string>> _persons = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _givenUp = new();
    private readonly int _personsPerSender;
    private readonly TimeSpan _pause;
    private readonly int _personsPerRequest;
    private readonly int _aheadMax;
    private readonly List<Task> _senders = [];
    private readonly ConcurrentQueue<(long From, long To)> _stalls = [];
    private readonly Task _balancer;
    private readonly Task _watch;
    private readonly long _begun = Stopwatch.GetTimestamp();
    private int _next;
    private int _tracks;

    private Load(TestCluster cluster, int personsPerSender, TimeSpan pause, int personsPerRequest, int aheadMax)
    {
        (_cluster, _personsPerSender, _pause) = (cluster, personsPerSender, pause);
        (_personsPerRequest, _aheadMax) = (personsPerRequest, aheadMax);
        _balancer = BalanceAsync();
        _watch = WatchAsync();
        _senders.AddRange(Enumerable.Range(0, Senders).Select(SendAsync));
    }

    /// <summary>How many events were answered with 200.</summary>
    public int Accepted => _sent.Values.Count(sent => sent.AcceptedAt > 0);

    /// <summary>Requests that were not answered with 200.</summary>
    public IReadOnlyCollection<Failure> Failures => _failures;

    /// <summary>For how long the machine held up everybody.</summary>
    public TimeSpan Stalled => Stopwatch.GetElapsedTime(0, _stalls.Sum(stall => stall.To - stall.From));

    /// <summary>Whether a request failed shortly after the machine had held up everybody, so that a node went or stood still without
    /// anybody's learning it in time.</summary>
    public bool WasHeldUp(Failure failure)
    {
        var before = failure.At - (Stopwatch.Frequency * 10);
        return _stalls.Any(stall => stall.To > before && stall.From < failure.At);
    }

    /// <summary>Begins to send.</summary>
    public static Load Start(TestCluster cluster, int personsPerSender = 5, int pauseMilliseconds = 60) =>
        new(cluster, personsPerSender, TimeSpan.FromMilliseconds(pauseMilliseconds), 1, int.MaxValue);

    /// <summary>Begins to send as fast as it is delivered, in larger requests, and never more than so many events ahead.</summary>
    public static Load StartFast(TestCluster cluster, int personsPerSender, int personsPerRequest, int aheadMax) =>
        new(cluster, personsPerSender, TimeSpan.Zero, personsPerRequest, aheadMax);

    /// <summary>Sends on for a while.</summary>
    public static Task GoOnAsync(double seconds) => Task.Delay(TimeSpan.FromSeconds(seconds));

    /// <summary>Makes two ids known as one person, at a node if it answers and else at another one.</summary>
    public Task MergeAsync(string distinctId, string alias, int node)
    {
        var properties = new Dictionary<string, object> { ["alias"] = alias };
        object[] events = [new { uuid = Guid.NewGuid(), @event = "$create_alias", distinct_id = distinctId, properties }];
        return PostAsync(events, node);
    }

    /// <summary>Returns when everything is delivered that was accepted by now.</summary>
    public async Task ServedAsync()
    {
        var accepted = _sent.Values.Where(sent => !sent.IsIdentify && sent.AcceptedAt > 0).Select(sent => $"{sent.Uuid}").ToList();
        await TestCluster.UntilAsync(
            () => Task.FromResult(_cluster.Arrivals.Where(one => one.IsDone).Select(one => one.MessageId).ToHashSet() is var done
                && accepted.TrueForAll(done.Contains)),
            "what was accepted is delivered");
    }

    /// <summary>The longest time in which no request was answered with 200.</summary>
    public TimeSpan LongestGap() => Stopwatch.GetElapsedTime(0, _answered.Select(one => one.At).Order()
        .Aggregate((Last: _begun, Gap: 0L), (before, at) => (at, Math.Max(before.Gap, at - before.Last))).Gap);

    /// <summary>The 99th percentile of the answers, in milliseconds.</summary>
    public double Percentile99()
    {
        var sorted = _answered.Select(one => one.Milliseconds).Order().ToList();
        return sorted[(int)(sorted.Count * 0.99)];
    }

    /// <summary>Stops sending when everything was answered with 200, waits for rest, and checks what must hold: nothing is lost,
    /// nothing is done twice, the order is kept, persons are who they are, the books balance, the views count everything
    /// once.</summary>
    public async Task<Outcome> CheckAsync()
    {
        await StopAsync();
        var rest = await TestCluster.UntilAsync(
            async () =>
            {
                await Task.WhenAll(_cluster.Nodes.Select(node => node.LookAsync()));
                return await _cluster.LedgerAsync() is { } books && books.GetValueOrDefault("pending") == 0;
            },
            "nothing is pending");
        Assert.Equal(0, (await _cluster.LedgerAsync())["imbalance"]);

        var arrivals = _cluster.Arrivals.Where(arrival => arrival.At >= _begun).ToList();
        Assert.All(arrivals.GroupBy(arrival => arrival.MessageId), group => Assert.Single(group.Select(one => one.Hash).Distinct()));
        var firsts = arrivals.OrderBy(arrival => arrival.At).DistinctBy(arrival => arrival.MessageId)
            .ToDictionary(arrival => arrival.MessageId);
        var done = arrivals.Where(arrival => arrival.IsDone).OrderBy(arrival => arrival.At)
            .DistinctBy(arrival => arrival.MessageId).ToDictionary(arrival => arrival.MessageId);
        var tracks = _sent.Values.Where(sent => !sent.IsIdentify).ToList();
        var lost = tracks.Where(sent => !done.ContainsKey($"{sent.Uuid}")).ToList();
        Assert.True(lost.Count == 0, $"{lost.Count} of {tracks.Count} accepted events were never taken.");

        // No one is sent before the one before it was answered for good.
        var violations = tracks.GroupBy(sent => sent.DistinctId)
            .Select(ofOne => ofOne.OrderBy(sent => sent.Number).Select(sent => $"{sent.Uuid}").ToList())
            .Sum(ids => ids.Zip(ids.Skip(1), (first, second) => firsts[second].At < done[first].At ? 1 : 0).Sum());
        Assert.Equal(0, violations);

        // What is answered for good is written down by the node that sent it, unless it dies before; then the last answer counts.
        var lastRefused = arrivals.Where(arrival => arrival.IsDone).OrderBy(arrival => arrival.At)
            .GroupBy(arrival => arrival.MessageId).Where(ofOne => ofOne.Last().Status == 400).Select(ofOne => ofOne.Key);
        Assert.Equal(
            lastRefused.Intersect(tracks.Select(sent => $"{sent.Uuid}")).Order(StringComparer.Ordinal),
            (await _cluster.DeadTracksAsync()).Intersect(tracks.Select(sent => $"{sent.Uuid}")).Order(StringComparer.Ordinal));
        await _cluster.MergedAsync();
        await Parallel.ForEachAsync(_persons, Few, async (person, _) => Assert.Equal(
            person.Value.Append(person.Key).Order(StringComparer.Ordinal),
            (await _cluster.IdsAsync(person.Key)).Order(StringComparer.Ordinal)));
        await CheckViewsAsync(tracks);
        var slowest = tracks.Max(sent => Stopwatch.GetElapsedTime(sent.AcceptedAt, done[$"{sent.Uuid}"].At));
        return new Outcome(
            tracks.Count, arrivals.Count(arrival => arrival.IsDone) - done.Count, slowest, rest, LongestGap(), Percentile99(), _failures.Count);
    }

    /// <summary>Stops sending, whatever has happened.</summary>
    public async ValueTask DisposeAsync()
    {
        await _givenUp.CancelAsync();
        await StopAsync();
        _stop.Dispose();
        _givenUp.Dispose();
    }

    // As if one had counted everything by hand.
    private async Task CheckViewsAsync(List<Sent> tracks)
    {
        await _cluster.ViewsSettledAsync();
        var views = tracks.Where(sent => sent.DistinctId != UserOf(sent.DistinctId))
            .CountBy(sent => UserOf(sent.DistinctId)).ToDictionary();
        var clicks = tracks.Where(sent => sent.DistinctId == UserOf(sent.DistinctId))
            .CountBy(sent => sent.DistinctId).ToDictionary();
        await Parallel.ForEachAsync(_persons, Few, async (person, _) =>
        {
            var user = person.Key;
            var shown = await _cluster.ApiAsync($"contacts/{user}");
            var stage = clicks[user] >= TestCluster.BusyFrom ? "busy" : "lead";
            Assert.Equal(
                $"{user} {CompanyOf(user, person.Value.Count - 1)} {stage} {clicks[user]} {views[user]} "
                    + string.Join(' ', person.Value.Append(user).Order(StringComparer.Ordinal)),
                $"{user} {shown.GetProperty("contact").GetProperty("account").GetProperty("id")} "
                    + $"{shown.GetProperty("contact").GetProperty("stage").GetProperty("name")} "
                    + $"{CountOf(shown.GetProperty("activity"), "clicked")} {CountOf(shown.GetProperty("activity"), "viewed")} "
                    + string.Join(' ', shown.GetProperty("distinct_ids").EnumerateArray().Select(id => id.GetString())));
        });
        var staff = _persons.CountBy(person => CompanyOf(person.Key, person.Value.Count - 1)).ToDictionary();
        foreach (var (company, itsClicks) in tracks.Where(sent => sent.Company is not null).CountBy(sent => sent.Company!))
        {
            var shown = await _cluster.ApiAsync($"accounts/{company}");
            Assert.Equal(
                (company, staff.GetValueOrDefault(company), itsClicks),
                (company, shown.GetProperty("contact_count").GetInt32(),
                    CountOf(shown.GetProperty("activity").GetProperty("days"), "clicked")));
        }
    }

    private static int CountOf(JsonElement days, string name) => days.EnumerateArray().Sum(day =>
        day.GetProperty("by_name").TryGetProperty(name, out var count) ? count.GetInt32() : 0);

    private async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_senders);
        await Task.WhenAll(_balancer, _watch);
    }

    // A device is called after its user.
    private static string UserOf(string distinctId) => distinctId.LastIndexOf("-d", StringComparison.Ordinal) is > 0 and var at
        ? distinctId[..at]
        : distinctId;

    // Those of one sender work at two companies, in turns from one device that becomes known to the next.
    private static string CompanyOf(string user, int device) =>
        $"c{string.Join('-', user.Split('-').SkipLast(1))}{(device % 2 == 0 ? "" : "b")}.com";

    private async Task BalanceAsync()
    {
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        while (!_stop.IsCancellationRequested)
        {
            await Task.WhenAll(_cluster.Nodes.Select(node => node.LookAsync()));
            await ticks.WaitForNextTickAsync();
        }
    }

    // Notes when half a second and more passed between two ticks.
    private async Task WatchAsync()
    {
        var last = Stopwatch.GetTimestamp();
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (!_stop.IsCancellationRequested)
        {
            await ticks.WaitForNextTickAsync();
            var now = Stopwatch.GetTimestamp();
            if (now - last > Stopwatch.Frequency / 2)
            {
                _stalls.Enqueue((last, now));
            }

            last = now;
        }
    }

    private async Task SendAsync(int sender)
    {
        var users = Enumerable.Range(0, _personsPerSender).Select(person => $"{_run}-u-{sender}-{person}").ToList();
        var numbers = new Dictionary<string, int>();
        for (var round = 0; !_stop.IsCancellationRequested;)
        {
            var events = new List<object>();
            for (var person = 0; person < _personsPerRequest; person++, round++)
            {
                var user = users[round % users.Count];
                var devices = _persons.GetOrAdd(user, _ => []);
                if (round / users.Count % 5 == 0 && devices.Count < DevicesMax)
                {
                    var device = $"{user}-d{devices.Count}";
                    devices.Add(device);
                    events.Add(Event(user, "$identify", numbers, CompanyOf(user, devices.Count - 1), device));
                }

                events.Add(Event(user, "clicked", numbers, CompanyOf(user, devices.Count - 1)));
                events.Add(Event($"{user}-d{devices.Count - 1}", "viewed", numbers));
            }

            await PostAsync(events);
            await Task.Delay(_pause);
            while (Volatile.Read(ref _tracks) - _cluster.Tracks > _aheadMax && !_stop.IsCancellationRequested)
            {
                await Task.Delay(100);
            }
        }
    }

    private object Event(
        string distinctId, string name, Dictionary<string, int> numbers, string? company = null, string? device = null)
    {
        var (uuid, isIdentify) = (Guid.NewGuid(), device is not null);
        var number = numbers[distinctId] = numbers.GetValueOrDefault(distinctId) + 1;
        _sent[uuid] = new Sent(uuid, distinctId, number, isIdentify, company);
        Interlocked.Add(ref _tracks, isIdentify ? 0 : 1);
        var properties = new Dictionary<string, object> { ["number"] = number };
        if (device is not null)
        {
            properties["$anon_distinct_id"] = device;
            properties["$set"] = new { email = $"someone@{company}" };
        }

        return new { uuid, @event = name, distinct_id = distinctId, properties };
    }

    private async Task PostAsync(IReadOnlyList<object> events, int? first = null)
    {
        var body = new { api_key = PipelineHarness.Token, batch = events };
        while (!_givenUp.IsCancellationRequested)
        {
            var ready = _cluster.Nodes.Where(node => node.IsReady).ToList();
            if (ready.Count == 0)
            {
                ready = [.. _cluster.Nodes];
            }

            var node = first is { } number ? _cluster.Nodes[number] : ready[Interlocked.Increment(ref _next) % ready.Count];
            first = null;
            var begun = Stopwatch.GetTimestamp();
            try
            {
                using var answer = await node.Http.PostAsJsonAsync("/batch", body);
                if (answer.IsSuccessStatusCode)
                {
                    var now = Stopwatch.GetTimestamp();
                    _answered.Enqueue((now, Stopwatch.GetElapsedTime(begun, now).TotalMilliseconds));
                    foreach (dynamic sent in events)
                    {
                        if (_sent.TryGetValue((Guid)sent.uuid, out Sent? known))
                        {
                            known.AcceptedAt = now;
                        }
                    }

                    return;
                }

                Note($"{(int)answer.StatusCode}");
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                Note(e.Message);
            }

            void Note(string what) => _failures.Enqueue(
                new Failure(node.Number, what, Stopwatch.GetTimestamp(), Stopwatch.GetElapsedTime(begun).TotalMilliseconds));

            await Task.Delay(100);
        }
    }

    private sealed record Sent(Guid Uuid, string DistinctId, int Number, bool IsIdentify, string? Company)
    {
        /// <summary>When it was answered with 200; 0: not yet.</summary>
        public long AcceptedAt { get; set; }
    }
}

/// <summary>A request that was not answered with 200.</summary>
/// <param name="Node">Who was asked.</param>
/// <param name="What">The status, or what went wrong.</param>
/// <param name="At">When it failed, by <see cref="Stopwatch.GetTimestamp"/>.</param>
/// <param name="Milliseconds">How long it took.</param>
internal sealed record Failure(int Node, string What, long At, double Milliseconds);

/// <summary>What a run came to.</summary>
/// <param name="Events">Accepted events whose delivery was checked.</param>
/// <param name="Repeats">How many times a message was sent although it had been answered for good.</param>
/// <param name="Slowest">The longest time from 200 to the delivery.</param>
/// <param name="Rest">How long it took until nothing was pending, after the last request.</param>
/// <param name="Gap">The longest time without a 200.</param>
/// <param name="Milliseconds99">The 99th percentile of the answers.</param>
/// <param name="Failures">Requests that were not answered with 200.</param>
internal sealed record Outcome(
    int Events, int Repeats, TimeSpan Slowest, TimeSpan Rest, TimeSpan Gap, double Milliseconds99, int Failures);
