using VarianceActors.Host.Commands;
using Xunit;

namespace VarianceActors.Host.Tests.Commands;

public sealed class DemoCommandTests
{
    [Fact]
    public async Task The_demo_plays_its_traffic_and_the_books_balance()
    {
        await using var output = new StringWriter();
        Assert.Equal(ExitCodes.Done, await VarianceCommand.RunAsync(["demo", "--once"], output, output));
    }
}
