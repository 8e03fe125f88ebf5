using System.CommandLine;
using Spectre.Console;
using VarianceActors.Host.Demo;

namespace VarianceActors.Host.Commands;

/// <summary><c>demo</c>: the whole thing without any set-up.</summary>
internal static class DemoCommand
{
    private static readonly Option<bool> OnceOption = new("--once")
    {
        Description = "Ends when everything is delivered: 0 if the books balance, else 1.",
    };

    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var command = new Command("demo", "Plays bundled PostHog traffic through a node to a stand-in for Variance.")
        {
            OnceOption,
        };
        command.SetAction((parsed, cancellation) =>
            new DemoRun(AnsiConsole.Console).RunAsync(parsed.GetValue(OnceOption), cancellation));
        return command;
    }
}
