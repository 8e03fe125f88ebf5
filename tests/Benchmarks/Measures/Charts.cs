using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace VarianceActors.Benchmarks.Measures;

/// <summary>Throughput, latency and memory of a run over time, as SVG.</summary>
internal static class Charts
{
    private const double Width = 900;
    private const double Height = 320;

    /// <summary>Writes three files that begin with <paramref name="path"/>.</summary>
    public static async Task WriteAsync(LoadResult result, string path)
    {
        var throughput = Plot("throughput", "events/s");
        throughput.Series.Add(Line("accepted", Rates(result, moment => moment.Accepted)));
        throughput.Series.Add(Line("delivered", Rates(result, moment => moment.Delivered)));
        await WriteAsync(throughput, path + "-throughput.svg");
        var latency = Plot("from accepted to delivered", "ms");
        var points = new ScatterSeries { MarkerType = MarkerType.Circle, MarkerSize = 1.2 };
        points.Points.AddRange(result.LatencyOverTime.Select(point => new ScatterPoint(point[0], point[1])));
        latency.Series.Add(points);
        await WriteAsync(latency, path + "-latency.svg");
        var memory = Plot("resident memory", "MB");
        foreach (var process in result.Moments.SelectMany(moment => moment.ResidentBytes.Keys).Distinct())
        {
            memory.Series.Add(Line(process, result.Moments.Select(
                moment => new DataPoint(moment.Seconds, moment.ResidentBytes[process] / 1048576.0))));
        }

        await WriteAsync(memory, path + "-memory.svg");
    }

    private static PlotModel Plot(string title, string unit)
    {
        var plot = new PlotModel { Title = title, TitleFontSize = 14, Background = OxyColors.White };
        plot.Legends.Add(new Legend { LegendPosition = LegendPosition.BottomRight });
        plot.Axes.Add(new LinearAxis { Position = AxisPosition.Bottom, Title = "s", Minimum = 0 });
        plot.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Title = unit, Minimum = 0, MajorGridlineStyle = LineStyle.Dot });
        return plot;
    }

    private static LineSeries Line(string title, IEnumerable<DataPoint> points)
    {
        var line = new LineSeries { Title = title };
        line.Points.AddRange(points);
        return line;
    }

    private static IEnumerable<DataPoint> Rates(LoadResult result, Func<Moment, long> count) => result.Moments
        .Zip(
            result.Moments.Skip(1),
            (before, after) => new DataPoint(
                after.Seconds, (count(after) - count(before)) / (after.Seconds - before.Seconds)));

    private static async Task WriteAsync(PlotModel plot, string path)
    {
        await using var file = File.Create(path);
        new SvgExporter { Width = Width, Height = Height }.Export(plot, file);
    }
}
