using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.RegularExpressions;
using VarianceActors.Host.Configuration;
using VarianceActors.Pipeline;
using Xunit;

namespace VarianceActors.Host.Tests.Configuration;

/// <summary>Guards <c>hocon/pipeline.conf</c>, the documentation of every key and the place of all defaults.</summary>
public sealed partial class BuiltInConfigurationTests
{
    [Fact]
    public void Every_key_is_read_by_an_option_and_every_option_has_a_key() =>
        Assert.Empty(PipelineConfiguration.Read([HoconSource.BuiltIn()]).Faults);

    [Fact]
    public void A_key_that_no_option_reads_is_found() => Assert.Equal(
        ["variance.inbox.spare: unknown key; known here: partitions, queue-events-max, queue-bytes-max, "
            + $"commit-events-max, commit-timeout (changed.conf:{LineOf("  inbox {") + 1})"],
        FaultsOf(BuiltInText().Replace("  inbox {\n", "  inbox {\n    spare = 1\n", StringComparison.Ordinal)));

    private static int LineOf(string line) => Array.IndexOf(BuiltInText().Split('\n'), line) + 1;

    [Fact]
    public void An_option_without_a_key_is_found() => Assert.Equal(
        ["variance.inbox.partitions: has no value"],
        FaultsOf(BuiltInText().Replace("partitions = 32\n", "\n", StringComparison.Ordinal)));

    [Fact]
    public void Every_key_has_a_comment()
    {
        var lines = BuiltInText().Split('\n');
        var keys = Enumerable.Range(0, lines.Length).Where(i => KeyLine().IsMatch(lines[i])).ToArray();

        Assert.True(keys.Length > 50, $"only {keys.Length} keys were found");
        Assert.Empty(keys.Where(i => !CommentLine().IsMatch(lines[i - 1])).Select(i => lines[i]));
    }

    [Fact]
    public void Every_number_and_duration_has_a_range() => Assert.Empty(
        typeof(PipelineOptions).Assembly.GetTypes()
            .Where(type => type.Name.EndsWith("Options", StringComparison.Ordinal) && type.IsSealed)
            .SelectMany(type => type.GetProperties())
            .Where(property => property.PropertyType == typeof(int) || property.PropertyType == typeof(TimeSpan))
            .Where(property => property.GetCustomAttribute<RangeAttribute>() is null)
            .Select(property => $"{property.DeclaringType!.Name}.{property.Name}"));

    private static string[] FaultsOf(string text)
    {
        var reading = PipelineConfiguration.Read([HoconSource.FromText(text, "changed.conf")]);
        return [.. reading.Faults.Select(fault => fault.ToString())];
    }

    private static string BuiltInText()
    {
        using var stream = typeof(PipelineOptions).Assembly.GetManifestResourceStream("hocon/pipeline.conf")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    [GeneratedRegex(@"^\s*# \w")]
    private static partial Regex CommentLine();

    [GeneratedRegex(@"^\s*[a-z][a-z-]*\s*(=|\{)")]
    private static partial Regex KeyLine();
}
