using System.Diagnostics;
using System.Text.RegularExpressions;
using Xunit;

namespace VarianceActors.Host.Tests.Deployment;

/// <summary>What a node is given by an example in <c>deploy/</c>: it is laid out as in its container, and checked by the host.</summary>
/// <param name="Arguments">What the host is started with.</param>
/// <param name="Environment">Its variables.</param>
/// <param name="Files">The files that are mounted, by their paths in the container.</param>
internal sealed partial record DeployedNode(
    IReadOnlyList<string> Arguments,
    IReadOnlyDictionary<string, string> Environment,
    IReadOnlyDictionary<string, string> Files)
{
    /// <summary>What stands in an example where a secret belongs.</summary>
    private const string Placeholder = "<24 random bytes>";

    /// <summary>The text of a file in <c>deploy/</c>.</summary>
    public static string Read(params string[] path) =>
        File.ReadAllText(Path.Combine([AppContext.BaseDirectory, "deploy", .. path]));

    /// <summary>The same with the secrets filled in.</summary>
    public DeployedNode Filled() => this with
    {
        Files = Files.ToDictionary(
            file => file.Key, file => file.Value.Replace(Placeholder, new string('x', 48), StringComparison.Ordinal)),
    };

    /// <summary>What <c>serve --check</c> says of it.</summary>
    public async Task<(int ExitCode, string Said)> CheckAsync()
    {
        var root = Directory.CreateTempSubdirectory("deployed-");
        try
        {
            foreach (var (path, text) in Files)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(root.FullName + path)!);
                await File.WriteAllTextAsync(root.FullName + path, Inside(text));
            }

            return await RunAsync(Inside);
        }
        finally
        {
            root.Delete(recursive: true);
        }

        string Inside(string text) => MountedPath().Replace(text, root.FullName + "$0");
    }

    /// <summary>Every path that the configuration names is one of the mounted files.</summary>
    public void AssertThatAllPathsAreMounted()
    {
        var named = Files.Values.Concat(Arguments).SelectMany(text => MountedPath().Matches(text)).Select(match => match.Value);
        Assert.Equal([], named.Except(Files.Keys));
    }

    private async Task<(int ExitCode, string Said)> RunAsync(Func<string, string> inside)
    {
        var start = new ProcessStartInfo(
            "dotnet", ["exec", typeof(VarianceHost).Assembly.Location, .. Arguments.Select(inside), "--check"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in Environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, string.Concat(said));
    }

    [GeneratedRegex(@"/(run/secrets|etc/variance)/[\w./-]+")]
    private static partial Regex MountedPath();
}
