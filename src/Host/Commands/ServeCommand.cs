using System.Collections.Immutable;
using System.CommandLine;
using System.Data.Common;
using System.Net.Sockets;
using VarianceActors.Host.Configuration;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Host.Commands;

/// <summary><c>serve</c>: runs the pipeline until it is told to stop.</summary>
internal static class ServeCommand
{
    private static readonly Option<string[]> ConfigOption = new("--config")
    {
        Description = "HOCON file laid over the defaults; may be given several times, the last one counts most.",
        HelpName = "FILE",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<string[]> UrlsOption = new("--urls")
    {
        Description = "Address to listen at, such as http://127.0.0.1:8000; may be given several times.",
        HelpName = "URL",
        DefaultValueFactory = _ => [VarianceHost.DefaultUrl],
    };

    private static readonly Option<string?> DataDirOption = new("--data-dir")
    {
        Description = "Directory of the SQLite files: the key variance.data-dir.",
        HelpName = "DIR",
    };

    private static readonly Option<string[]> SetOption = new("--set")
    {
        Description = "Sets one key, such as variance.inbox.partitions=64; may be given several times. "
            + "Not for secrets: other users of the machine can read a command line.",
        HelpName = "KEY=VALUE",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<bool> CheckOption = new("--check")
    {
        Description = "Only checks the configuration, says what would run, and exits.",
    };

    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var command = new Command("serve", "Runs the pipeline.")
        {
            ConfigOption,
            UrlsOption,
            DataDirOption,
            SetOption,
            CheckOption,
        };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        var (urls, urlFaults) = ListenAddresses.Read(parsed.GetRequiredValue(UrlsOption));
        var reading = PipelineConfiguration.Read([
            HoconSource.BuiltIn(),
            .. parsed.GetRequiredValue(ConfigOption).Select(HoconSource.FromFile),
            EnvironmentSource.From(Environment.GetEnvironmentVariables()),
            CommandLineSource.From(parsed.GetRequiredValue(SetOption), parsed.GetValue(DataDirOption)),
        ]);
        ImmutableArray<ConfigurationFault> faults = [.. urlFaults, .. reading.Faults];
        if (reading.Options is not { } options || faults.Length > 0)
        {
            return await RefuseAsync(faults, error);
        }

        if (parsed.GetValue(CheckOption))
        {
            await output.WriteLineAsync(ConfigurationSummary.Of(options, urls));
            return ExitCodes.Done;
        }

        return await ServeAsync(options, urls, error, cancellation);
    }

    private static async Task<int> RefuseAsync(ImmutableArray<ConfigurationFault> faults, TextWriter error)
    {
        foreach (var fault in faults)
        {
            await error.WriteLineAsync(fault.ToString());
        }

        await error.WriteLineAsync($"{faults.Length} {(faults.Length == 1 ? "fault" : "faults")} in the configuration");
        return ExitCodes.BadConfiguration;
    }

    private static string Place(PipelineOptions options) =>
        options.Store == StoreKind.Sqlite ? $" in {options.DataDir}" : "";

    private static async Task<int> ServeAsync(
        PipelineOptions options, string[] urls, TextWriter error, CancellationToken cancellation)
    {
        try
        {
            if (options.Store == StoreKind.Sqlite)
            {
                DataDirectory.Prepare(options.DataDir);
            }

            await using var app = await VarianceHost.BuildAsync(options, urls, TimeProvider.System, LogLevel.Information);
            await app.StartAsync(cancellation);
            await app.WaitForShutdownAsync(cancellation);
            return ExitCodes.Done;
        }
        catch (SocketException e)
        {
            await error.WriteLineAsync($"cannot listen at {string.Join(" and ", urls)}: {e.Message}");
            return ExitCodes.StartFailed;
        }
        catch (DbException e)
        {
            await error.WriteLineAsync($"cannot open the database{Place(options)}: {e.Message}");
            return ExitCodes.StartFailed;
        }
        catch (IOException e)
        {
            await error.WriteLineAsync($"cannot start: {e.Message}");
            return ExitCodes.StartFailed;
        }
    }
}
