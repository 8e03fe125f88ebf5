using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using VarianceActors.Databases;
using VarianceActors.Host.Demo;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Cluster.Tests;

/// <summary>
/// Nodes die, stand still, lose each other and their database, under load: nothing that was answered with 200 is lost, nothing is
/// done twice, and the order is kept. <c>VARIANCE_CLUSTER_ROUNDS</c> repeats each fault so many times.
/// </summary>
public sealed class ClusterTests(TestCluster cluster, ITestOutputHelper output) : IClassFixture<TestCluster>
{
    /// <summary>Short runs share their machine with other tests: what is measured in them may take longer.</summary>
    private static readonly double Leniency = Environment.GetEnvironmentVariable("VARIANCE_CLUSTER_ROUNDS") is null ? 3 : 1;

    private static readonly int Rounds = Setting("VARIANCE_CLUSTER_ROUNDS", 1);

    /// <summary>The short form of the faults below.</summary>
    [Fact]
    public Task A_node_is_killed_another_one_drains_and_the_database_dies_and_nothing_is_lost_or_done_twice() => TellingAsync(
        async () =>
        {
            await using var load = Load.Start(cluster, personsPerSender: 2, pauseMilliseconds: 300);
            await cluster.Nodes[0].KillAsync();
            await load.ServedAsync();
            cluster.Nodes[0].Start();
            await cluster.ReadyAsync();

            var failures = load.Failures.Count;
            await cluster.Nodes[1].StopAsync();
            Assert.Equal(failures, load.Failures.Count);
            cluster.Nodes[1].Start();
            await cluster.ReadyAsync();

            await cluster.Postgres.KillAsync();
            await RefusesAsync(load);
            await cluster.Postgres.RestartAsync();
            await AcceptsAsync(load);
            output.WriteLine($"{await load.CheckAsync()}");
        });

    [Fact]
    [Trait("Run", "long")]
    public Task When_one_node_is_killed_the_doors_go_on_and_its_persons_are_served_within_12_seconds() => RoundsAsync(
        async round =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(2);
            var victim = cluster.Nodes[round % 3];
            await victim.KillAsync();
            await Load.GoOnAsync(1);
            await load.ServedAsync();
            victim.Start();
            var outcome = await load.CheckAsync();
            Assert.True(outcome.Slowest < Within(12), $"served after {outcome.Slowest}");
            Assert.True(outcome.Gap < Within(2), $"no 200 for {outcome.Gap}");
            return outcome;
        });

    [Fact]
    [Trait("Run", "long")]
    public Task When_all_nodes_are_killed_at_once_they_come_back_without_a_hand() => RoundsAsync(
        async _ =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(2);
            await Task.WhenAll(cluster.Nodes.Select(node => node.KillAsync()));
            foreach (var node in cluster.Nodes)
            {
                node.Start();
            }

            var back = await cluster.ReadyAsync();
            await Load.GoOnAsync(2);
            var outcome = await load.CheckAsync();
            Assert.True(back < Within(20), $"ready after {back}");
            return outcome;
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_rolling_restart_fails_no_request() => RoundsAsync(
        async _ =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(1);
            foreach (var node in cluster.Nodes)
            {
                await node.StopAsync();
                node.Start();
                await cluster.ReadyAsync();
            }

            var outcome = await load.CheckAsync();
            Assert.Empty(load.Failures);
            Assert.True(outcome.Milliseconds99 <= Within(1).TotalMilliseconds, $"99 % within {outcome.Milliseconds99} ms");
            return outcome;
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_node_that_stood_still_sends_nothing_when_it_wakes_and_ends() => RoundsAsync(
        async round =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(2);
            var zombie = cluster.Nodes[(round + 1) % 3];
            var ends = zombie.Ends.Count;
            zombie.Send(Signal.Stop);
            await Load.GoOnAsync(12);
            var woken = zombie.Now;
            zombie.Send(Signal.Continue);
            await TestCluster.UntilAsync(() => Task.FromResult(zombie.Ends.Count > ends), "the zombie has ended");
            var (code, at) = zombie.Ends.Last();
            Assert.Equal(3, code);
            Assert.True(at - woken < Within(5), $"ended {at - woken} after it woke");
            await cluster.ReadyAsync();
            return await load.CheckAsync();
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_node_that_is_cut_off_ends_and_the_others_go_on() => RoundsAsync(
        async round =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(2);
            var alone = cluster.Nodes[(round + 2) % 3];
            var ends = alone.Ends.Count;
            cluster.CutOff(alone, bothWays: round % 2 == 0);
            await TestCluster.UntilAsync(() => Task.FromResult(alone.Ends.Count > ends), "the one that is alone has ended");
            Assert.Equal(3, alone.Ends.Last().Code);
            await load.ServedAsync();
            cluster.Apart.Clear();
            await cluster.ReadyAsync();
            var outcome = await load.CheckAsync();
            Assert.Single(cluster.Nodes, node => node.Ends.Count > 0 && node == alone);
            Assert.True(outcome.Slowest < Within(15), $"served after {outcome.Slowest}");
            return outcome;
        });

    [Fact]
    [Trait("Run", "long")]
    public Task When_the_database_dies_nothing_is_accepted_and_when_it_is_back_everything_goes_on() => RoundsAsync(
        async _ =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(2);
            await cluster.Postgres.KillAsync();
            var accepted = load.Accepted;
            var clock = Stopwatch.StartNew();
            await Load.GoOnAsync(5);
            Assert.InRange(load.Accepted, accepted, accepted + 3);
            Assert.NotEmpty(load.Failures);
            await cluster.Postgres.RestartAsync();
            var back = Stopwatch.StartNew();
            accepted = load.Accepted;
            await TestCluster.UntilAsync(() => Task.FromResult(load.Accepted > accepted), "an event is accepted again");
            Assert.True(back.Elapsed < Within(5), $"accepts after {back.Elapsed}");
            await Load.GoOnAsync(2);
            var outcome = await load.CheckAsync();
            Assert.All(cluster.Nodes, node => Assert.DoesNotContain(node.Ends, end => end.At > node.Now - clock.Elapsed));
            return outcome;
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_commit_whose_answer_is_lost_has_no_effect_twice() => RoundsAsync(
        async _ =>
        {
            var random = new Random(17);
            var cuts = cluster.DatabaseLink.Cuts;
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(1);
            cluster.DatabaseLink.ToTarget = bytes =>
            {
                lock (random)
                {
                    return bytes.Span.IndexOf("COMMIT\0"u8) >= 0 && random.Next(4) == 0 ? Fate.PassThenCut : Fate.Pass;
                }
            };
            await Load.GoOnAsync(6);
            cluster.DatabaseLink.ToTarget = _ => Fate.Pass;
            var outcome = await load.CheckAsync();
            output.WriteLine($"{cluster.DatabaseLink.Cuts - cuts} commits were cut");
            Assert.True(cluster.DatabaseLink.Cuts - cuts > 20, "the fault must have fired");
            return outcome;
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_database_that_stands_still_or_takes_no_writes_is_told_as_503_and_everything_goes_on_afterwards() => RoundsAsync(
        async _ =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(1);
            await cluster.Postgres.ExecuteAsync("postgres", "ALTER SYSTEM SET default_transaction_read_only = on");
            await cluster.Postgres.ExecuteAsync("postgres", "SELECT pg_reload_conf()");
            await RefusesAsync(load);
            await cluster.Postgres.ExecuteAsync(
                "postgres", "ALTER SYSTEM RESET default_transaction_read_only");
            await cluster.Postgres.ExecuteAsync("postgres", "SELECT pg_reload_conf()");
            await AcceptsAsync(load);
            var threads = cluster.Nodes.Select(node => node.Threads).ToList();
            cluster.Postgres.Freeze();
            await RefusesAsync(load);
            await Load.GoOnAsync(8);
            var then = cluster.Nodes.Select(node => node.Threads).ToList();
            cluster.Postgres.Thaw();
            await AcceptsAsync(load);
            Assert.All(
                threads.Zip(then, (before, after) => (Before: before, After: after)),
                pair => Assert.True(pair.After <= (pair.Before * 1.2) + 10, $"{pair} threads"));
            return await load.CheckAsync();
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_link_that_flaps_leaves_nothing_stuck() => RoundsAsync(
        async round =>
        {
            await using var load = Load.Start(cluster);
            var flaps = cluster.Nodes[round % 3];
            for (var flap = 0; flap < 2 + (2 * Rounds); flap++)
            {
                cluster.CutOff(flaps, bothWays: true);
                await Load.GoOnAsync(2);
                cluster.Apart.Clear();
                await Load.GoOnAsync(2);
            }

            await cluster.ReadyAsync();
            return await load.CheckAsync();
        });

    [Fact]
    [Trait("Run", "long")]
    public Task Opposite_merges_on_different_nodes_make_one_person_also_when_one_of_them_is_killed() => RoundsAsync(
        async round =>
        {
            var pairs = Enumerable.Range(0, 40)
                .Select(pair => ($"{round}-{Guid.NewGuid():n}-a", $"{pair}-{Guid.NewGuid():n}-b"))
                .ToList();
            await using var load = Load.Start(cluster);
            var merges = pairs.SelectMany((pair, number) => (Task[])
            [
                load.MergeAsync(pair.Item1, pair.Item2, number % 3),
                load.MergeAsync(pair.Item2, pair.Item1, (number + 1) % 3),
            ]).ToList();
            var victim = cluster.Nodes[(round + 1) % 3];
            await victim.KillAsync();
            victim.Start();
            await Task.WhenAll(merges);
            await cluster.ReadyAsync();
            var outcome = await load.CheckAsync();
            foreach (var (first, second) in pairs)
            {
                Assert.Equal(((string[])[first, second]).Order(StringComparer.Ordinal), await cluster.IdsAsync(first));
            }

            return outcome;
        });

    /// <summary>Set VARIANCE_CLUSTER_DELIVERIES for the long run, and VARIANCE_CLUSTER_PAUSE, in seconds, for the time between two
    /// faults: a new node takes its time to warm up, and else nothing but that is tested.</summary>
    [Fact]
    [Trait("Run", "long")]
    public async Task Whatever_the_receiver_answers_and_whoever_dies_order_is_kept()
    {
        var deliveries = Setting("VARIANCE_CLUSTER_DELIVERIES", 20_000);
        var pause = Setting("VARIANCE_CLUSTER_PAUSE", 30);
        var answers = new ConcurrentDictionary<string, int>();
        cluster.Answer = async message =>
        {
            var answer = Moody(message.Sequence);
            answers.AddOrUpdate(answer is { Reset: true } ? "reset" : $"{answer.Status}", 1, (_, times) => times + 1);
            if (answer.Status == 504)
            {
                await Load.GoOnAsync(20); // nobody waits for it
            }

            return answer;
        };
        await TellingAsync(async () =>
        {
            await using var load = Load.StartFast(cluster, personsPerSender: 40, personsPerRequest: 20, aheadMax: 5_000);
            var (kills, drains) = (0, 0);
            var random = new Random(35);
            while (cluster.Arrivals.Count < deliveries)
            {
                await Load.GoOnAsync(pause * (0.7 + (0.6 * random.NextDouble())));
                var node = cluster.Nodes[random.Next(3)];
                var isKill = random.Next(2) == 0;
                await (isKill ? node.KillAsync() : node.StopAsync());
                (kills, drains) = isKill ? (kills + 1, drains) : (kills, drains + 1);
                node.Start();
                var back = await cluster.ReadyAsync();
                output.WriteLine(
                    $"{cluster.Arrivals.Count} deliveries, {kills} kills, {drains} drains, ready after {back.TotalSeconds:N1} s");
            }

            output.WriteLine($"{await load.CheckAsync()}");
        });
        cluster.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);
        output.WriteLine(string.Join(", ", answers.Select(answer => $"{answer.Value} x {answer.Key}")));
        Assert.All((string[])["200", "400", "429", "500", "reset"], answer => Assert.True(answers[answer] > 0, answer));
    }

    private static StandInAnswer Moody(int sequence) => new Random(sequence).Next(10_000) switch
    {
        0 => new StandInAnswer(504),
        < 20 => new StandInAnswer(400),
        < 220 => new StandInAnswer(429, RetryAfter: "1"),
        < 520 => new StandInAnswer(500),
        < 720 => new StandInAnswer(0, Reset: true),
        _ => StandInAnswer.Ok,
    };

    private static async Task RefusesAsync(Load load)
    {
        var failures = load.Failures.Count;
        await TestCluster.UntilAsync(() => Task.FromResult(load.Failures.Count > failures + 10), "requests are refused");
        var accepted = load.Accepted;
        await Load.GoOnAsync(1);
        Assert.Equal(accepted, load.Accepted);
        Assert.DoesNotContain(load.Failures.Skip(failures), failure => !failure.EndsWith("503", StringComparison.Ordinal));
    }

    private static async Task AcceptsAsync(Load load)
    {
        var accepted = load.Accepted;
        var back = await TestCluster.UntilAsync(() => Task.FromResult(load.Accepted > accepted), "an event is accepted again");
        Assert.True(back < Within(5), $"accepts after {back}");
    }

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { } value ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;

    private static TimeSpan Within(double seconds) => TimeSpan.FromSeconds(seconds * Leniency);

    private Task RoundsAsync(Func<int, Task<Outcome>> fault) => TellingAsync(async () =>
    {
        for (var round = 0; round < Rounds; round++)
        {
            output.WriteLine($"round {round + 1}: {await fault(round)}");
        }
    });

    private async Task TellingAsync(Func<Task> what)
    {
        try
        {
            await cluster.ReadyAsync();
            await what();
        }
        catch
        {
            output.WriteLine(await cluster.OutputAsync());
            throw;
        }
    }
}
