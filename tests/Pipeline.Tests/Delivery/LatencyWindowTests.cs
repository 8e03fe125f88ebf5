using VarianceActors.Pipeline.Metering;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>Percentiles of the last minutes, told a little too high and never too low.</summary>
public sealed class LatencyWindowTests
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Percentiles_are_those_of_the_values_at_most_a_fifth_too_high()
    {
        var window = new LatencyWindow();
        for (var milliseconds = 1; milliseconds <= 10_000; milliseconds++)
        {
            window.Add(LatencyWindow.StepOf(TimeSpan.FromMilliseconds(milliseconds)), 1, Noon);
        }

        var read = window.Read(Noon)!.Value;
        Assert.Equal(10_000, read.Messages);
        Assert.InRange(read.P50.TotalMilliseconds, 5_000, 5_000 * 1.2);
        Assert.InRange(read.P95.TotalMilliseconds, 9_500, 9_500 * 1.2);
        Assert.InRange(read.P99.TotalMilliseconds, 9_900, 9_900 * 1.2);
    }

    [Fact]
    public void What_is_older_than_the_window_is_forgotten()
    {
        var window = new LatencyWindow();
        Assert.Null(window.Read(Noon));
        window.Add(LatencyWindow.StepOf(TimeSpan.FromHours(1)), 1, Noon);
        window.Add(LatencyWindow.StepOf(TimeSpan.FromMilliseconds(10)), 1, Noon.AddMinutes(6));
        Assert.Equal(2, window.Read(Noon.AddMinutes(9))!.Value.Messages);
        Assert.Equal(1, window.Read(Noon.AddMinutes(11))!.Value.Messages);
        Assert.InRange(window.Read(Noon.AddMinutes(11))!.Value.P99.TotalMilliseconds, 10, 12);
        Assert.Null(window.Read(Noon.AddMinutes(30)));
    }

    [Fact]
    public void Nothing_is_too_fast_or_too_slow_to_be_counted()
    {
        var window = new LatencyWindow();
        window.Add(LatencyWindow.StepOf(TimeSpan.FromTicks(-1)), 1, Noon);
        window.Add(LatencyWindow.StepOf(TimeSpan.FromDays(3_650)), 1, Noon);
        Assert.Equal(2, window.Read(Noon)!.Value.Messages);
    }
}
