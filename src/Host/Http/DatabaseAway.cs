using System.Data.Common;
using Akka.Actor;

namespace VarianceActors.Host.Http;

/// <summary>What the API answers when it cannot read or write: 503, so that callers come back. The doors have answers of their
/// own.</summary>
internal static class DatabaseAway
{
    public static void UseDatabaseAway(this IApplicationBuilder app) => app.Use(async (context, next) =>
    {
        try
        {
            await next(context);
        }
        catch (Exception failure) when (
            failure is DbException or TimeoutException or AskTimeoutException && !context.Response.HasStarted)
        {
            var who = failure is AskTimeoutException ? "person or account" : "database";
            context.Response.Clear();
            context.Response.Headers.RetryAfter = "1";
            await Results.Problem($"The {who} does not answer now; ask again.", statusCode: 503).ExecuteAsync(context);
        }
    });
}
