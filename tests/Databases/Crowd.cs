using Npgsql;

namespace VarianceActors.Databases;

/// <summary>Connections to a server, as many as it gives.</summary>
public sealed class Crowd(string connectionString) : IAsyncDisposable
{
    private readonly List<NpgsqlConnection> _held = [];

    /// <summary>How many it has.</summary>
    public int Count => _held.Count;

    /// <summary>Takes what has become free.</summary>
    public async Task FillAsync()
    {
        while (true)
        {
            var connection = new NpgsqlConnection(connectionString);
            try
            {
                await connection.OpenAsync();
                _held.Add(connection);
            }
            catch (PostgresException full) when (full.SqlState == PostgresErrorCodes.TooManyConnections)
            {
                await connection.DisposeAsync();
                return;
            }
        }
    }

    /// <summary>Gives all of them back.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _held)
        {
            await connection.DisposeAsync();
        }
    }
}
