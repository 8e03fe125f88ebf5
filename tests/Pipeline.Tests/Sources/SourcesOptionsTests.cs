using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class SourcesOptionsTests
{
    [Fact]
    public void The_usual_limits_are_valid() =>
        Assert.True(new SourcesOptionsValidator().Validate(null, Requests.Limits()).Succeeded);

    [Fact]
    public void Limits_that_are_missing_are_all_listed()
    {
        var failures = new SourcesOptionsValidator().Validate(null, new SourcesOptions()).Failures!.ToList();

        Assert.Equal(8, failures.Count);
        Assert.Contains(failures, failure => failure.Contains("RetryAfter", StringComparison.Ordinal));
    }
}
