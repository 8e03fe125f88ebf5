using System.Data.Common;

namespace VarianceActors.Pipeline.Stores;

/// <summary>One open database connection with its prepared statements. Not for two threads at once.</summary>
public sealed class Session : IDisposable
{
    private readonly DbConnection _connection;
    private readonly Dictionary<Statement, DbCommand> _commands = [];
    private DbTransaction? _transaction;

    internal Session(DbConnection connection) => _connection = connection;

    /// <summary>Runs a statement that returns no rows.</summary>
    /// <returns>How many rows it touched.</returns>
    public int Execute(Statement statement, params ReadOnlySpan<object?> values) =>
        Bind(statement, values).ExecuteNonQuery();

    /// <summary>Runs a statement that returns one value, or none.</summary>
    /// <returns>The value, or null if there is no row or the value is NULL.</returns>
    public object? Scalar(Statement statement, params ReadOnlySpan<object?> values) =>
        Bind(statement, values).ExecuteScalar() is { } value and not DBNull ? value : null;

    /// <summary>Runs a query and turns each row into a value.</summary>
    public List<T> Query<T>(Statement statement, Func<DbDataReader, T> read, params ReadOnlySpan<object?> values)
    {
        using var reader = Bind(statement, values).ExecuteReader();
        var rows = new List<T>();
        while (reader.Read())
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    /// <summary>Runs a query and hands over each row until <paramref name="each"/> has had enough and answers false.</summary>
    public void Scan(Statement statement, Func<DbDataReader, bool> each, params ReadOnlySpan<object?> values)
    {
        using var reader = Bind(statement, values).ExecuteReader();
        while (reader.Read() && each(reader))
        {
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var command in _commands.Values)
        {
            command.Dispose();
        }

        _connection.Dispose();
    }

    internal T InTransaction<T>(bool write, Func<Session, T> unit)
    {
        _transaction = write
            ? _connection.BeginTransaction()
            : ((Microsoft.Data.Sqlite.SqliteConnection)_connection).BeginTransaction(deferred: true);
        try
        {
            var result = unit(this);
            _transaction.Commit();
            return result;
        }
        finally
        {
            _transaction.Dispose();
            _transaction = null;
        }
    }

    private DbCommand Bind(Statement statement, ReadOnlySpan<object?> values)
    {
        if (!_commands.TryGetValue(statement, out var command))
        {
            _commands[statement] = command = Prepare(statement);
        }

        if (values.Length != command.Parameters.Count)
        {
            throw new ArgumentException($"The statement takes {command.Parameters.Count} values, not {values.Length}.");
        }

        command.Transaction = _transaction;
        for (var index = 0; index < values.Length; index++)
        {
            command.Parameters[index].Value = values[index] ?? DBNull.Value;
        }

        return command;
    }

    private DbCommand Prepare(Statement statement)
    {
        var command = _connection.CreateCommand();
        command.CommandText = statement.Text; // constant text of this assembly; values are always parameters
        foreach (var name in statement.Parameters)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            command.Parameters.Add(parameter);
        }

        return command;
    }
}
