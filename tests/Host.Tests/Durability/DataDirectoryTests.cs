using Microsoft.Extensions.Logging;
using VarianceActors.Harness;
using VarianceActors.Host.Configuration;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.Durability;

public sealed class DataDirectoryTests
{
    [Fact]
    public async Task Two_nodes_on_one_data_directory_do_not_start()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Store: StoreKind.Sqlite));
        var options = PipelineConfiguration.ReadText($"variance.data-dir = \"{pipeline.DataDirectory}\"");
        var refused = await Assert.ThrowsAsync<IOException>(
            () => VarianceHost.BuildAsync(options, ["http://127.0.0.1:0"], TimeProvider.System, LogLevel.Error));
        Assert.Contains("in use by another process", refused.Message, StringComparison.Ordinal);
    }
}
