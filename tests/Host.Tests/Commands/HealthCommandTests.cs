using VarianceActors.Harness;
using VarianceActors.Host.Commands;
using Xunit;

namespace VarianceActors.Host.Tests.Commands;

public sealed class HealthCommandTests
{
    [Fact]
    public async Task A_node_that_is_ready_and_one_that_is_gone_are_told_apart()
    {
        string url;
        await using (var pipeline = await PipelineHarness.StartAsync())
        {
            url = pipeline.Http.BaseAddress!.ToString();
            Assert.Equal((ExitCodes.Done, """{"status":"ready","reason":null}"""), await AskAsync(url));
        }

        var (exitCode, said) = await AskAsync(url);
        Assert.Equal(ExitCodes.NotReady, exitCode);
        Assert.StartsWith("the node does not answer: ", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://host")]
    [InlineData("http://a;http://b")]
    [InlineData("")]
    public async Task What_is_no_address_of_a_node_is_a_fault(string url) =>
        Assert.Equal(ExitCodes.BadConfiguration, (await AskAsync(url)).ExitCode);

    private static async Task<(int ExitCode, string Said)> AskAsync(string url)
    {
        await using var said = new StringWriter();
        var exitCode = await VarianceCommand.RunAsync(["health", "--url", url], said, said);
        return (exitCode, said.ToString().TrimEnd());
    }
}
