using System.Collections.Concurrent;
using VarianceActors.Host.Demo;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Cluster.Tests;

/// <summary>Whose persons stay in memory between two events, so that the receiver is what the nodes wait for.</summary>
public sealed class BusyCluster : TestCluster
{
    /// <inheritdoc />
    protected override TimeSpan IdleTimeout => TimeSpan.FromMinutes(1);
}

/// <summary>A receiver that answers everything that can be answered, while nodes die and links are cut.</summary>
public sealed class OrderTests(BusyCluster cluster, ITestOutputHelper output) : IClassFixture<BusyCluster>
{
    /// <summary>Set VARIANCE_CLUSTER_DELIVERIES for the long run, and VARIANCE_CLUSTER_PAUSE, in seconds, for the time between two
    /// faults: a new node takes its time to warm up, and else nothing but that is tested.</summary>
    [Fact]
    [Trait("Run", "long")]
    public Task Whatever_the_receiver_answers_and_whoever_dies_order_is_kept() => cluster.TellingAsync(output, async () =>
    {
        var deliveries = Settings.Number("VARIANCE_CLUSTER_DELIVERIES", 20_000);
        var pause = Settings.Number("VARIANCE_CLUSTER_PAUSE", 30);
        var answers = new ConcurrentDictionary<int, int>();
        cluster.Answer = async message =>
        {
            var answer = Moody(message.Sequence);
            answers.AddOrUpdate(answer.Status, 1, (_, times) => times + 1);
            if (answer.Status == 504)
            {
                await Load.GoOnAsync(20); // nobody waits for it
            }

            return answer;
        };
        await using var load = Load.StartFast(cluster, personsPerSender: 40, personsPerRequest: 20, aheadMax: 5_000);
        var (kills, drains, random) = (0, 0, new Random(35));
        while (cluster.Arrivals.Count(arrival => arrival.IsDone) < deliveries)
        {
            await Load.GoOnAsync(pause * (0.7 + (0.6 * random.NextDouble())));
            await DisturbAsync(random.Next(4));
            var node = cluster.Nodes[random.Next(3)];
            var isKill = random.Next(2) == 0;
            await (isKill ? node.KillAsync() : node.StopAsync());
            (kills, drains) = isKill ? (kills + 1, drains) : (kills, drains + 1);
            node.Start();
            var back = await cluster.ReadyAsync();
            output.WriteLine(
                $"{cluster.Arrivals.Count(arrival => arrival.IsDone)} deliveries, {kills} kills, {drains} drains, ready after {back.TotalSeconds:N1} s");
        }

        cluster.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);
        output.WriteLine($"{await load.CheckAsync()}");
        output.WriteLine(string.Join(", ", answers.OrderBy(answer => answer.Key).Select(answer => $"{answer.Value} x {answer.Key}")));
        Assert.All((int[])[0, 200, 400, 429, 500], status => Assert.True(answers[status] > 0, $"{status}"));
    });

    private static StandInAnswer Moody(int sequence) => new Random(sequence).Next(10_000) switch
    {
        0 => new StandInAnswer(504),
        < 20 => new StandInAnswer(400),
        < 220 => new StandInAnswer(429, RetryAfter: "1"),
        < 520 => new StandInAnswer(500),
        < 720 => new StandInAnswer(0, Reset: true),
        _ => StandInAnswer.Ok,
    };

    // The way to the receiver is cut, stands still, or is slow; or the way to the database is cut.
    private async Task DisturbAsync(int how)
    {
        switch (how)
        {
            case 0:
                cluster.ReceiverLink.CutAll();
                break;
            case 1:
                cluster.ReceiverLink.IsSilent = (_, _) => true;
                await Load.GoOnAsync(3);
                cluster.ReceiverLink.IsSilent = (_, _) => false;
                break;
            case 2:
                cluster.ReceiverLink.Delay = TimeSpan.FromMilliseconds(50);
                await Load.GoOnAsync(3);
                cluster.ReceiverLink.Delay = TimeSpan.Zero;
                break;
            default:
                cluster.DatabaseLink.CutAll();
                break;
        }
    }
}
