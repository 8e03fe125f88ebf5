using System.Reflection;
using DbUp;

namespace VarianceActors.Pipeline.Stores;

/// <summary>Brings the schema up to date with the numbered scripts of this assembly, each run once and in order.</summary>
internal static class Migrations
{
    /// <summary>Runs the scripts that the database has not seen.</summary>
    /// <exception cref="InvalidOperationException">A script failed; the database is as it was before that script.</exception>
    public static void Run(string connectionString)
    {
        var result = DeployChanges.To
            .SqliteDatabase(connectionString)
            .WithScriptsEmbeddedInAssembly(Assembly.GetExecutingAssembly(), IsSqliteScript)
            .WithTransactionPerScript()
            .LogToNowhere()
            .Build()
            .PerformUpgrade();
        if (!result.Successful)
        {
            throw new InvalidOperationException(
                $"The script {result.ErrorScript?.Name ?? "?"} could not be run on the database.", result.Error);
        }
    }

    private static bool IsSqliteScript(string name) => name.Contains(".Scripts.Sqlite.", StringComparison.Ordinal);
}
