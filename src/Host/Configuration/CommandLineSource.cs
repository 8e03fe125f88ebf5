namespace VarianceActors.Host.Configuration;

/// <summary>The layer of the command line: <c>--data-dir DIR</c> and <c>--set variance.KEY=VALUE</c>.</summary>
public static class CommandLineSource
{
    private const string Root = "variance.";

    /// <summary>Reads the values of <c>--set</c> in order, and the one of <c>--data-dir</c>.</summary>
    public static ConfigurationLayer From(IReadOnlyList<string> assignments, string? dataDir)
    {
        var settings = assignments.Where(IsAssignment).Select(Assigned);
        if (dataDir is not null)
        {
            settings = settings.Append(new Setting("variance:data-dir", dataDir, "--data-dir"));
        }

        return new ConfigurationLayer(settings, [.. Faults(assignments)]);
    }

    private static bool IsAssignment(string assignment) =>
        assignment.StartsWith(Root, StringComparison.OrdinalIgnoreCase) && assignment.IndexOf('=') > Root.Length;

    private static Setting Assigned(string assignment)
    {
        var split = assignment.IndexOf('=');
        var path = assignment[..split].Trim().ToLowerInvariant();
        return new Setting(path.Replace('.', ':'), assignment[(split + 1)..], $"--set {path}");
    }

    /// <summary>A text that is no assignment may be a mistyped secret, so it is counted and not shown.</summary>
    private static IEnumerable<ConfigurationFault> Faults(IReadOnlyList<string> assignments) =>
        assignments
            .Select((assignment, i) => (assignment, number: i + 1))
            .Where(numbered => !IsAssignment(numbered.assignment))
            .Select(numbered => $"--set number {numbered.number}")
            .Select(place => new ConfigurationFault("--set", "give variance.KEY=VALUE", place));
}
