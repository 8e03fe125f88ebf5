using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace VarianceActors.Benchmarks.Processes;

/// <summary>What this program is when a benchmark starts it again as a process of its own.</summary>
internal static class Roles
{
    /// <summary>The command line of roles; not for people.</summary>
    public const string Command = "role";

    public static Task<int> RunAsync(string[] arguments) => arguments switch
    {
        ["receiver", var port] => ReceiveAsync(Number(port)),
        ["endpoint", var port] => AnswerAsync(Number(port)),
        ["sender"] => ObeyAsync(new Sender().ObeyAsync),
        ["poster"] => ObeyAsync(new Poster().ObeyAsync),
        ["mapping", var seconds, .. var files] => MappingMeasure.RunAsync(double.Parse(seconds, CultureInfo.InvariantCulture), files),
        _ => throw new ArgumentException("There is no such role."),
    };

    /// <summary>The clock of arrivals, the same in all processes of a machine.</summary>
    public static double Seconds(long ticks) => (double)ticks / Stopwatch.Frequency;

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static async Task<int> ObeyAsync(Func<string[], Task<string>> obey)
    {
        await Console.Out.WriteLineAsync("ready");
        while (await Console.In.ReadLineAsync() is { } line)
        {
            await Console.Out.WriteLineAsync(await obey(line.Split(' ')));
        }

        return 0;
    }

    private static async Task<int> ReceiveAsync(int port)
    {
        var arrivals = new Arrivals();
        await using var app = await ListenAsync(port, arrivals.TakeAsync);
        return await ObeyAsync(arrivals.ObeyAsync);
    }

    /// <summary>The least that a web server can do with a request: it reads the body and answers 200.</summary>
    private static async Task<int> AnswerAsync(int port)
    {
        await using var app = await ListenAsync(
            port, http => http.Request.Body.CopyToAsync(Stream.Null, http.RequestAborted));
        return await ObeyAsync(_ => Task.FromResult("ok"));
    }

    private static async Task<WebApplication> ListenAsync(int port, RequestDelegate take)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Loopback, port);
        });
        var app = builder.Build();
        app.Run(take);
        await app.StartAsync();
        return app;
    }
}
