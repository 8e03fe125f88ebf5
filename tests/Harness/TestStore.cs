using VarianceActors.Databases;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Harness;

/// <summary>On which database tests run that do not say it themselves: SQLite, or what the environment variable
/// <c>VARIANCE_TEST_STORE</c> names (<c>sqlite</c>, <c>postgres</c>).</summary>
public static class TestStore
{
    private static readonly StoreKind OfThisRun =
        Enum.Parse<StoreKind>(Environment.GetEnvironmentVariable("VARIANCE_TEST_STORE") ?? "sqlite", ignoreCase: true);

    private static readonly AsyncLocal<StoreKind?> OfThisTest = new();

    /// <summary>The database of tests that do not name one.</summary>
    public static StoreKind Default => OfThisTest.Value ?? OfThisRun;

    /// <summary>Names the database of the running test; the constructor of a test class is the place for it.</summary>
    public static void Use(StoreKind kind) => OfThisTest.Value = kind;

    /// <summary>The connection string of a PostgreSQL database of its own; null for SQLite, whose files lie in the data
    /// directory.</summary>
    public static async Task<string?> CreateAsync(StoreKind? kind) => (kind ?? Default) == StoreKind.Postgres
        ? await (await PostgresServer.Shared).CreateDatabaseAsync()
        : null;

    /// <summary>The configuration of a PostgreSQL database, with few connections, since many tests share a server; empty for
    /// null.</summary>
    public static string Configuration(string? connectionString) => connectionString is null ? "" : $$"""
        variance {
          store = postgres
          postgres {
            connection-string = "{{connectionString}}"
            writers-max = 4
            readers-max = 2
            journal-connections-max = 8
          }
        }
        """;
}
