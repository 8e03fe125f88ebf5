using System.CommandLine;
using System.Data.Common;
using Akka.Actor;
using Akka.Hosting;
using VarianceActors.Host.Configuration;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Metering;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Host.Commands;

/// <summary><c>views rebuild</c>: makes the lists of contacts and accounts anew from the journal.</summary>
internal static class ViewsCommand
{
    // Some statements are about everything there is, and nobody waits for the database meanwhile.
    private static readonly TimeSpan NoHurry = TimeSpan.FromDays(1);

    private static readonly Option<string[]> ConfigOption = new("--config")
    {
        Description = "HOCON file laid over the defaults; may be given several times, the last one counts most.",
        HelpName = "FILE",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<string?> DataDirOption = new("--data-dir")
    {
        Description = "Directory of the SQLite files: the key variance.data-dir.",
        HelpName = "DIR",
    };

    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var rebuild = new Command(
            "rebuild",
            "Makes the lists of contacts and accounts anew from the journal, while no node runs. Activity, the last events "
            + "and when somebody was last seen are not in the journal: they stay as they are.")
        {
            ConfigOption,
            DataDirOption,
        };
        rebuild.SetAction(RunAsync);
        return new Command("views", "The tables that the API lists contacts and accounts from.") { rebuild };
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        var reading = PipelineConfiguration.Read([
            HoconSource.BuiltIn(),
            .. parsed.GetRequiredValue(ConfigOption).Select(HoconSource.FromFile),
            EnvironmentSource.From(Environment.GetEnvironmentVariables()),
            CommandLineSource.From([], parsed.GetValue(DataDirOption)),
        ]);
        if (reading.Options is not { } options)
        {
            foreach (var fault in reading.Faults)
            {
                await error.WriteLineAsync(fault.ToString());
            }

            return ExitCodes.BadConfiguration;
        }

        try
        {
            var rebuilt = await RebuildAsync(options, cancellation);
            await output.WriteLineAsync($"{rebuilt.Persons} persons and {rebuilt.Accounts} accounts are in the views");
            return ExitCodes.Done;
        }
        catch (Exception e) when (e is IOException or DbException)
        {
            await error.WriteLineAsync($"the views are not rebuilt: {e.Message}");
            return ExitCodes.StartFailed;
        }
    }

    private static async Task<RebuiltViews> RebuildAsync(PipelineOptions options, CancellationToken cancellation)
    {
        options.Postgres.StatementTimeout = NoHurry;
        await using var inUse = options.Store == StoreKind.Sqlite ? DataDirectory.Lock(options.DataDir) : null;
        await using var database = PipelineDatabase.Open(options, _ => { });
        var layout = await PipelineLayout.ReadAsync(
            database, options.Inbox.Partitions, options.Outbox.DeliveryPartitions, options.Connections.Keys);
        using var meter = new PipelineMeter();
        var parts = new PipelineParts(options, database, layout, TimeProvider.System, cancellation) { Meter = meter };
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddAkka("variance-views", akka => akka.WithJournalToRead(options));
        using var host = builder.Build();
        await host.StartAsync(cancellation);
        var rebuilt = await new ViewRebuild(host.Services.GetRequiredService<ActorSystem>(), parts).RunAsync(cancellation);
        await host.StopAsync(cancellation);
        return rebuilt;
    }
}
