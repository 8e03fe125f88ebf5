using System.Collections.Concurrent;
using System.Diagnostics;
using VarianceActors.Databases;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Cluster.Tests;

/// <summary>
/// Nodes die, stand still, lose each other and their database, under load: nothing that was answered with 200 is lost, nothing is
/// done twice, and the order is kept. <c>VARIANCE_CLUSTER_ROUNDS</c> repeats each fault so many times, and lets those that take long
/// take as long as they should.
/// </summary>
public sealed class ClusterTests(TestCluster cluster, ITestOutputHelper output) : IClassFixture<TestCluster>
{
    private const int UnsettledMax = 3 * 32; // of a node's slices, three of eight: on the wire, or answered and not committed
    private const int MergesPerKill = 1_000;
    private static readonly ParallelOptions Few = new() { MaxDegreeOfParallelism = 8 };
    private static readonly ParallelOptions Many = new() { MaxDegreeOfParallelism = 32 };
    private static readonly int Rounds = Settings.Number("VARIANCE_CLUSTER_ROUNDS", 0);

    /// <summary>Short runs share their machine with other tests: what is measured in them may take longer.</summary>
    private static readonly double Leniency = Rounds == 0 ? 3 : 1;

    // The short forms of the faults below.
    [Fact]
    public Task A_node_is_killed_another_one_drains_and_the_database_dies_and_nothing_is_lost_or_done_twice() => ShortAsync(
        async load =>
        {
            await cluster.Nodes[0].KillAsync();
            var clock = Stopwatch.StartNew();
            await Load.GoOnAsync(1);
            await load.ServedAsync();
            Assert.True(clock.Elapsed < Within(20) + load.Stalled, $"served after {clock.Elapsed}");
            Assert.True(load.LongestGap() < Within(2) + load.Stalled, $"no 200 for {load.LongestGap()}");
            Assert.All(load.Failures, failure => Assert.True(failure.Node == 1 || load.WasHeldUp(failure), $"{failure}"));
            cluster.Nodes[0].Start();
            await cluster.ReadyAsync();

            var failures = load.Failures.Count;
            await cluster.Nodes[1].StopAsync();
            Assert.All(load.Failures.Skip(failures), failure => Assert.True(load.WasHeldUp(failure), $"{failure}"));
            cluster.Nodes[1].Start();
            await cluster.ReadyAsync();

            await cluster.Postgres.KillAsync();
            await RefusesAsync(load);
            await cluster.Postgres.RestartAsync();
            await AcceptsAsync(load);
        });

    [Fact]
    [Trait("Run", "long")] // three minutes
    public Task A_node_stands_still_one_is_cut_off_a_link_flaps_the_oldest_dies_then_all_and_nothing_is_lost_or_done_twice() => ShortAsync(
        async load =>
        {
            await StandStillAsync(cluster.Nodes[1], 12);
            await CutOffAsync(load, cluster.Nodes[2], isMute: true, isDeaf: false);
            await FlapAsync(load, cluster.Nodes[0], 1);
            await KillWhileSharesMoveAsync(load, isOldest: true, later: 0);
            await KillAllAsync(load);
        });

    [Fact]
    public Task A_database_takes_no_writes_stands_still_has_no_place_loses_answers_and_opposite_merges_meet_a_dead_node() => ShortAsync(
        async load =>
        {
            await TakeNoWritesAsync(load);
            cluster.Postgres.Freeze();
            await RefusesAsync(load);
            cluster.Postgres.Thaw();
            await AcceptsAsync(load);
            await TakeConnectionsAsync(load);
            await LoseCommitsAsync(3);
            await MergeBothWaysAsync(load, cluster.Nodes[0], 40);
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
            Assert.All(load.Failures, failure => Assert.Equal(victim.Number, failure.Node));
            Assert.True(outcome.Repeats <= UnsettledMax, $"{outcome.Repeats} came again");
            return outcome;
        });

    [Fact]
    [Trait("Run", "long")]
    public Task When_all_nodes_are_killed_at_once_they_come_back_without_a_hand() => RoundsAsync(
        async _ =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(2);
            await KillAllAsync(load);
            return await load.CheckAsync();
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
            await StandStillAsync(cluster.Nodes[(round + 1) % 3], Rounds > 0 ? 30 : 12);
            var outcome = await load.CheckAsync();
            Assert.True(outcome.Gap < Within(3), $"no 200 for {outcome.Gap}");
            return outcome;
        });

    [Theory]
    [Trait("Run", "long")]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public Task A_node_that_is_cut_off_ends_and_the_others_go_on(bool isMute, bool isDeaf) => RoundsAsync(
        async round =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(2);
            await CutOffAsync(load, cluster.Nodes[(round + 2) % 3], isMute, isDeaf);
            var outcome = await load.CheckAsync();
            Assert.True(outcome.Slowest < Within(15), $"served after {outcome.Slowest}");
            return outcome;
        });

    [Fact]
    [Trait("Run", "long")]
    public Task When_the_oldest_dies_while_shares_move_or_the_one_that_they_move_to_all_are_served() => RoundsAsync(
        async round =>
        {
            await using var load = Load.Start(cluster);
            await KillWhileSharesMoveAsync(load, isOldest: true, round % 4 * 0.5);
            await KillWhileSharesMoveAsync(load, isOldest: false, round % 4 * 0.5);
            return await load.CheckAsync();
        });

    [Fact]
    [Trait("Run", "long")]
    public Task When_the_database_dies_nothing_is_accepted_and_when_it_is_back_everything_goes_on() => RoundsAsync(
        async _ =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(2);
            await cluster.Postgres.KillAsync();
            var (accepted, failures, killed) = (load.Accepted, load.Failures.Count, Stopwatch.GetTimestamp());
            await Load.GoOnAsync(10);
            Assert.InRange(load.Accepted, accepted, accepted + 3);
            var refused = load.Failures.Skip(failures).ToList();
            Assert.All(refused, failure => Assert.Equal("503", failure.What));
            var slow = refused.Select(failure => failure.Milliseconds).Order().ElementAt((int)(refused.Count * 0.99));
            Assert.True(slow < Within(1).TotalMilliseconds, $"99 % were refused within {slow} ms");
            await cluster.Postgres.RestartAsync();
            var back = Stopwatch.StartNew();
            await AcceptsAsync(load);
            await load.ServedAsync();
            Assert.True(back.Elapsed < Within(5), $"served after {back.Elapsed}");
            await Load.GoOnAsync(2);
            var outcome = await load.CheckAsync();
            Assert.All(cluster.Nodes, node => Assert.DoesNotContain(node.Ends, end => end.At > killed));
            return outcome;
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_commit_whose_answer_is_lost_has_no_effect_twice() => RoundsAsync(
        async _ =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(1);
            await LoseCommitsAsync(6);
            return await load.CheckAsync();
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_database_that_stands_still_or_takes_no_writes_is_told_as_503_and_everything_goes_on_afterwards() => RoundsAsync(
        async _ =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(1);
            await TakeNoWritesAsync(load);
            var sizes = cluster.Nodes.Select(node => node.Size).ToList();
            cluster.Postgres.Freeze();
            await RefusesAsync(load);
            await Load.GoOnAsync(Rounds > 0 ? 60 : 8);
            var then = cluster.Nodes.Select(node => node.Size).ToList();
            cluster.Postgres.Thaw();
            await AcceptsAsync(load);
            Assert.All(sizes.Zip(then, (before, after) => (Before: before, After: after)), pair =>
            {
                Assert.True(pair.After.Threads <= (pair.Before.Threads * 1.2) + 10, $"threads: {pair}");
                Assert.True(pair.After.Megabytes <= (pair.Before.Megabytes * 1.2) + 20, $"megabytes: {pair}");
            });
            return await load.CheckAsync();
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_database_without_free_connections_loses_nothing() => RoundsAsync(
        async _ =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(1);
            await TakeConnectionsAsync(load);
            return await load.CheckAsync();
        });

    [Fact]
    [Trait("Run", "long")]
    public Task A_link_that_flaps_leaves_nothing_stuck() => RoundsAsync(
        async round =>
        {
            await using var load = Load.Start(cluster);
            await FlapAsync(load, cluster.Nodes[round % 3], Rounds > 0 ? 20 : 3);
            return await load.CheckAsync();
        });

    [Fact]
    [Trait("Run", "long")]
    public Task Opposite_merges_on_different_nodes_make_one_person_also_when_one_of_them_is_killed() => RoundsAsync(
        async round =>
        {
            await using var load = Load.Start(cluster);
            await CalmAsync(load);
            await MergeBothWaysAsync(load, cluster.Nodes[(round + 1) % 3], Settings.Number("VARIANCE_CLUSTER_PAIRS", 100));
            return await load.CheckAsync();
        });

    private async Task KillAllAsync(Load load)
    {
        await Task.WhenAll(cluster.Nodes.Select(node => node.KillAsync()));
        foreach (var node in cluster.Nodes)
        {
            node.Start();
        }

        var clock = Stopwatch.StartNew();
        await cluster.ReadyAsync();
        await load.ServedAsync();
        Assert.True(clock.Elapsed < Within(20), $"served after {clock.Elapsed}");
    }

    // Until it is thought dead; it must find out when it wakes, and end.
    private async Task StandStillAsync(ClusterNode zombie, double seconds)
    {
        var ends = zombie.Ends.Count;
        zombie.Send(Signal.Stop);
        await Load.GoOnAsync(seconds);
        var woken = Stopwatch.GetTimestamp();
        zombie.Send(Signal.Continue);
        await TestCluster.UntilAsync(() => Task.FromResult(zombie.Ends.Count > ends), "the zombie has ended");
        var (code, at) = zombie.Ends.Last();
        Assert.Equal(3, code);
        Assert.True(Stopwatch.GetElapsedTime(woken, at) < Within(5), $"ended {Stopwatch.GetElapsedTime(woken, at)} after it woke");
        Assert.DoesNotContain(cluster.Arrivals, one => one.Source == zombie.Number && one.At > woken && one.At < at);
        await cluster.ReadyAsync();
    }

    private async Task CutOffAsync(Load load, ClusterNode alone, bool isMute, bool isDeaf)
    {
        var others = cluster.Nodes.Where(node => node != alone).Select(node => (Node: node, node.Ends.Count)).ToList();
        var ends = alone.Ends.Count;
        cluster.CutOff(alone, isMute, isDeaf);
        await TestCluster.UntilAsync(() => Task.FromResult(alone.Ends.Count > ends), "the one that is alone has ended");
        Assert.All(alone.Ends.Skip(ends), end => Assert.Equal(3, end.Code));
        await load.ServedAsync();
        await Load.GoOnAsync(Rounds > 0 ? 60 : 1);
        cluster.Apart.Clear();
        await cluster.ReadyAsync();
        Assert.All(others, other => Assert.Equal(other.Count, other.Node.Ends.Count));
    }

    private async Task FlapAsync(Load load, ClusterNode flaps, int times)
    {
        var held = cluster.Held;
        for (var flap = 0; flap < times; flap++)
        {
            cluster.CutOff(flaps, isMute: true, isDeaf: true);
            await Load.GoOnAsync(3);
            cluster.Apart.Clear();
            await Load.GoOnAsync(3);
        }

        var clock = Stopwatch.StartNew();
        await cluster.ReadyAsync();
        await load.ServedAsync();
        Assert.True(clock.Elapsed < Within(20), $"served after {clock.Elapsed}");
        Assert.True(cluster.Held > held, "the fault must have fired");
    }

    private async Task KillWhileSharesMoveAsync(Load load, bool isOldest, double later)
    {
        var byAge = await cluster.ByAgeAsync();
        await byAge[1].KillAsync();
        byAge[1].Start();
        await cluster.ReadyAsync();
        var started = byAge[1].StartedAt;
        await TestCluster.UntilAsync(
            () => Task.FromResult(cluster.Arrivals.Any(one => one.Source == byAge[1].Number && one.At > started)),
            "the first share has moved to the new node, and others are about to");
        await Load.GoOnAsync(later);
        var victim = isOldest ? byAge[0] : byAge[1];
        await victim.KillAsync();
        var clock = Stopwatch.StartNew();
        await load.ServedAsync();
        Assert.True(clock.Elapsed < Within(20), $"served after {clock.Elapsed}");
        victim.Start();
        await cluster.ReadyAsync();
    }

    private async Task LoseCommitsAsync(double seconds)
    {
        var (random, cuts) = (new Random(17), cluster.DatabaseLink.Cuts);
        cluster.DatabaseLink.ToTarget = bytes =>
        {
            lock (random)
            {
                return bytes.Span.IndexOf("COMMIT\0"u8) >= 0 && random.Next(4) == 0 ? Fate.PassThenCut : Fate.Pass;
            }
        };
        await Load.GoOnAsync(seconds);
        await TestCluster.UntilAsync(() => Task.FromResult(cluster.DatabaseLink.Cuts - cuts > 20), "some commits were cut");
        cluster.DatabaseLink.ToTarget = _ => Fate.Pass;
        output.WriteLine($"{cluster.DatabaseLink.Cuts - cuts} commits were cut");
    }

    private async Task TakeNoWritesAsync(Load load)
    {
        await cluster.Postgres.ExecuteAsync("postgres", "ALTER SYSTEM SET default_transaction_read_only = on");
        await cluster.Postgres.ExecuteAsync("postgres", "SELECT pg_reload_conf()");
        await RefusesAsync(load);
        await cluster.Postgres.ExecuteAsync("postgres", "ALTER SYSTEM RESET default_transaction_read_only");
        await cluster.Postgres.ExecuteAsync("postgres", "SELECT pg_reload_conf()");
        await AcceptsAsync(load);
    }

    private async Task TakeConnectionsAsync(Load load)
    {
        await using (var crowd = await cluster.Postgres.CrowdAsync())
        {
            await crowd.FillAsync();
            var free = crowd.Count;
            using var enough = new CancellationTokenSource();
            cluster.DatabaseLink.CutAll();
            var filling = FillAsync(crowd, enough.Token); // the server notices only by and by who is gone
            await Load.GoOnAsync(Rounds > 0 ? 5 : 3);
            await enough.CancelAsync();
            await filling;
            Assert.True(crowd.Count > free, "the fault must have fired");
        }

        await AcceptsAsync(load);
    }

    private async Task MergeBothWaysAsync(Load load, ClusterNode victim, int count)
    {
        var pairs = Enumerable.Range(0, count).Select(_ => ($"{Guid.NewGuid():n}-a", $"{Guid.NewGuid():n}-b")).ToList();
        var times = new ConcurrentBag<double>();
        var open = new ConcurrentDictionary<int, bool>();
        var merging = Parallel.ForEachAsync(pairs.Index(), Many, async (one, _) =>
        {
            var (number, (first, second)) = one;
            open[number] = true;
            await Task.WhenAll(
                load.MergeAsync(first, second, number % 3), load.MergeAsync(second, first, (number + 1) % 3));
            var clock = Stopwatch.StartNew();
            await TestCluster.UntilAsync(async () => (await cluster.IdsAsync(first)).Count == 2, "both ids are shown");
            times.Add(clock.Elapsed.TotalSeconds);
            open.TryRemove(number, out var _);
        });
        var underWay = await KillWhileMergingAsync(merging, victim, () => times.Count, open);
        await merging;
        var (slow, slowest) = (times.Order().ElementAt((int)(times.Count * 0.99)), times.Max());
        output.WriteLine($"a node was killed {underWay.Count} times, while {string.Join(", ", underWay)} merges were under way; "
            + $"99 % were shown within {slow:N1} s, the slowest after {slowest:N1}");
        Assert.True(underWay.Count > count / MergesPerKill / 3, "the fault must have fired, in a long run again and again");
        Assert.True(slowest < Within(15).TotalSeconds, $"the slowest after {slowest} s");
        await Parallel.ForEachAsync(pairs, Few, async (pair, _) => Assert.Equal(
            ((string[])[pair.Item1, pair.Item2]).Order(StringComparer.Ordinal), await cluster.IdsAsync(pair.Item1)));
    }

    // As soon as merges are under way; then, when so many more are shown, all nodes are ready again, and no merge is left that
    // has met this kill, the next node.
    private async Task<List<long>> KillWhileMergingAsync(
        Task merging, ClusterNode victim, Func<int> shown, ConcurrentDictionary<int, bool> open)
    {
        var underWay = new List<long>();
        while (true)
        {
            var seen = 0L;
            while (!merging.IsCompleted && seen == 0)
            {
                seen = await cluster.MergingAsync();
            }

            if (seen == 0)
            {
                return underWay;
            }

            underWay.Add(seen);
            await victim.KillAsync();
            victim.Start();
            victim = cluster.Nodes[victim.Number % cluster.Nodes.Count];
            var due = shown() + MergesPerKill;
            while (!merging.IsCompleted && shown() < due)
            {
                await Load.GoOnAsync(0.05);
            }

            await cluster.ReadyAsync();
            var met = open.Keys.ToList();
            await TestCluster.UntilAsync(
                () => Task.FromResult(merging.IsCompleted || !met.Exists(open.ContainsKey)), "those that met the kill are shown");
        }
    }

    // One after the other, while nobody dies: from the answer 200 until the person shows both ids.
    private async Task CalmAsync(Load load)
    {
        var times = new List<double>();
        for (var pair = 0; pair < 20; pair++)
        {
            var (first, second) = ($"{Guid.NewGuid():n}-calm", $"{Guid.NewGuid():n}-calm");
            await load.MergeAsync(first, second, 0);
            var clock = Stopwatch.StartNew();
            await TestCluster.UntilAsync(async () => (await cluster.IdsAsync(first)).Count == 2, "both ids are shown");
            times.Add(clock.Elapsed.TotalMilliseconds);
        }

        output.WriteLine($"a merge takes {times.Order().ElementAt(10):N0} ms, the slowest of 20 {times.Max():N0}");
        Assert.True(times.Max() <= Within(0.25).TotalMilliseconds, $"a merge took {times.Max()} ms");
    }

    private static async Task FillAsync(Crowd crowd, CancellationToken enough)
    {
        while (!enough.IsCancellationRequested)
        {
            await crowd.FillAsync();
            await Task.Delay(50, CancellationToken.None);
        }
    }

    private static async Task RefusesAsync(Load load)
    {
        var failures = load.Failures.Count;
        await TestCluster.UntilAsync(() => Task.FromResult(load.Failures.Count > failures + 10), "requests are refused");
        var accepted = load.Accepted;
        await Load.GoOnAsync(1);
        Assert.Equal(accepted, load.Accepted);
        Assert.All(load.Failures.Skip(failures), failure => Assert.Equal("503", failure.What));
    }

    private static async Task AcceptsAsync(Load load)
    {
        var accepted = load.Accepted;
        var back = await TestCluster.UntilAsync(() => Task.FromResult(load.Accepted > accepted), "an event is accepted again");
        Assert.True(back < Within(5), $"accepts after {back}");
    }

    private static TimeSpan Within(double seconds) => TimeSpan.FromSeconds(seconds * Leniency);

    private Task ShortAsync(Func<Load, Task> faults) => cluster.TellingAsync(output, async () =>
    {
        await using var load = Load.Start(cluster, personsPerSender: 2, pauseMilliseconds: 300);
        await faults(load);
        output.WriteLine($"{await load.CheckAsync()}");
    });

    private Task RoundsAsync(Func<int, Task<Outcome>> fault) => cluster.TellingAsync(output, async () =>
    {
        for (var round = 0; round < Math.Max(1, Rounds); round++)
        {
            output.WriteLine($"round {round + 1}: {await fault(round)}");
        }
    });
}
