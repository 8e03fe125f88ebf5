using System.CommandLine;

namespace VarianceActors.Host.Commands;

/// <summary><c>health</c>: asks a node whether it is ready, where no other program could, as in a container without a shell.</summary>
internal static class HealthCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(6);

    private static readonly Option<string> UrlOption = new("--url")
    {
        Description = "Address of the node.",
        HelpName = "URL",
        DefaultValueFactory = _ => VarianceHost.DefaultUrl,
    };

    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var command = new Command("health", "Asks a node whether it is ready: 0 if it is, 1 if not.") { UrlOption };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        var (urls, faults) = ListenAddresses.Read([parsed.GetRequiredValue(UrlOption)]);
        if (urls is not [var url] || faults.Length > 0)
        {
            await error.WriteLineAsync("--url: give the address of one node, such as " + VarianceHost.DefaultUrl);
            return ExitCodes.BadConfiguration;
        }

        using var client = new HttpClient { Timeout = Patience, MaxResponseContentBufferSize = 4_096 };
        try
        {
            using var answer = await client.GetAsync(new Uri(new Uri(url), "/health/ready"), cancellation);
            await output.WriteLineAsync(await answer.Content.ReadAsStringAsync(cancellation));
            return answer.IsSuccessStatusCode ? ExitCodes.Done : ExitCodes.NotReady;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            await error.WriteLineAsync($"the node does not answer: {e.Message}");
            return ExitCodes.NotReady;
        }
    }
}
