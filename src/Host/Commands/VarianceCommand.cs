using System.CommandLine;

namespace VarianceActors.Host.Commands;

/// <summary>The root command.</summary>
public static class VarianceCommand
{
    /// <summary>Runs the command that the arguments name and returns its exit code.</summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter error)
    {
        var root = new RootCommand("Takes PostHog events in and keeps Variance's contacts and accounts up to date.")
        {
            ServeCommand.Create(),
            DemoCommand.Create(),
            ViewsCommand.Create(),
            HealthCommand.Create(),
        };
        var parsed = root.Parse(arguments);

        // Signals are the host's business: it drains, however long that takes.
        var exitCode = await parsed.InvokeAsync(new InvocationConfiguration
        {
            Output = output,
            Error = error,
            ProcessTerminationTimeout = null,
        });
        return parsed.Errors.Count > 0 ? ExitCodes.BadConfiguration : exitCode;
    }
}
