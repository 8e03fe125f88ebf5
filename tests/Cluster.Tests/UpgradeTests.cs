using VarianceActors.Host;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Cluster.Tests;

/// <summary>Whose nodes begin with the build that <c>VARIANCE_BUILD_BEFORE</c> names, the path of its VarianceActors.Host.dll.</summary>
public sealed class EarlierCluster : TestCluster
{
    /// <inheritdoc />
    protected override string? Program => Environment.GetEnvironmentVariable("VARIANCE_BUILD_BEFORE");
}

/// <summary>Nodes of an earlier build are replaced, one by one, under load: both write and read the same journal, tables and
/// messages meanwhile. Without an earlier build it is a rolling restart.</summary>
public sealed class UpgradeTests(EarlierCluster cluster, ITestOutputHelper output) : IClassFixture<EarlierCluster>
{
    [Fact]
    [Trait("Run", "long")]
    public Task Nodes_of_an_earlier_build_are_replaced_one_by_one_and_nothing_is_lost_or_refused() => cluster.TellingAsync(
        output,
        async () =>
        {
            await using var load = Load.Start(cluster);
            await Load.GoOnAsync(10);
            foreach (var node in cluster.Nodes)
            {
                await node.StopAsync();
                node.Program = typeof(VarianceHost).Assembly.Location;
                node.Start();
                await cluster.ReadyAsync();
                await Load.GoOnAsync(10);
            }

            output.WriteLine($"{await load.CheckAsync()}");
            Assert.Empty(load.Failures);
        });
}
