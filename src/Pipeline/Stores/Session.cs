using System.Data;
using System.Data.Common;

namespace VarianceActors.Pipeline.Stores;

/// <summary>One open database connection with its prepared statements. Not for two threads at once.</summary>
public sealed class Session : IDisposable
{
    /// <summary>How much is sent at once, so that what waits is bounded.</summary>
    private const int CommandsPerBatch = 256;

    private readonly Engine _engine;
    private readonly DbConnection _connection;
    private readonly Dictionary<Statement, DbCommand> _commands = [];
    private readonly DbBatch? _posted;
    private DbTransaction? _transaction;

    internal Session(Engine engine)
    {
        _engine = engine;
        _connection = engine.Connect();
        _posted = _connection.CanCreateBatch ? _connection.CreateBatch() : null;
    }

    /// <summary>Whether a transaction has ended well on this connection.</summary>
    internal bool IsReused { get; private set; }

    /// <summary>Whether the running or last transaction came as far as its commit.</summary>
    internal bool CommitSent { get; private set; }

    /// <summary>Whether the connection is fit for another transaction.</summary>
    internal bool IsOpen => _connection.State == ConnectionState.Open;

    /// <summary>Runs a statement that returns no rows.</summary>
    /// <returns>How many rows it touched.</returns>
    public int Execute(Statement statement, params ReadOnlySpan<object?> values)
    {
        Flush();
        return Bind(statement, values).ExecuteNonQuery();
    }

    /// <summary>Runs a statement whose count of rows is of no interest. Where the database is reached over a network, it
    /// travels together with others, in order, before the next statement that is asked for its result or at the commit.</summary>
    public void Post(Statement statement, params ReadOnlySpan<object?> values)
    {
        if (_posted is null)
        {
            Bind(statement, values).ExecuteNonQuery();
            return;
        }

        Add(_posted, statement, values);
        if (_posted.BatchCommands.Count >= CommandsPerBatch)
        {
            Flush();
        }
    }

    /// <summary>Runs a statement that returns one value, or none.</summary>
    /// <returns>The value, or null if there is no row or the value is NULL. Whole numbers are <see cref="long"/>.</returns>
    public object? Scalar(Statement statement, params ReadOnlySpan<object?> values)
    {
        Flush();
        return Plain(Bind(statement, values).ExecuteScalar());
    }

    /// <summary>Runs a statement that returns one value, or none, once for each row of values; where the database is reached
    /// over a network, many at once.</summary>
    /// <returns>The values in order.</returns>
    public List<object?> Scalars(Statement statement, IEnumerable<object?[]> rows)
    {
        var found = new List<object?>();
        if (_posted is null)
        {
            found.AddRange(rows.Select(values => Scalar(statement, values)));
            return found;
        }

        Flush();
        foreach (var some in rows.Chunk(CommandsPerBatch))
        {
            using var batch = _connection.CreateBatch();
            batch.Transaction = _transaction;
            foreach (var values in some)
            {
                Add(batch, statement, values);
            }

            using var reader = batch.ExecuteReader();
            do
            {
                found.Add(reader.Read() ? Plain(reader.GetValue(0)) : null);
            }
            while (reader.NextResult());
        }

        return found;
    }

    /// <summary>Runs a query and turns each row into a value.</summary>
    public List<T> Query<T>(Statement statement, Func<DbDataReader, T> read, params ReadOnlySpan<object?> values)
    {
        Flush();
        using var reader = Bind(statement, values).ExecuteReader();
        var rows = new List<T>();
        while (reader.Read())
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    /// <summary>Runs a query and hands over each row until <paramref name="each"/> has had enough and answers false. The rest
    /// may travel all the same, so the query itself must be bounded.</summary>
    public void Scan(Statement statement, Func<DbDataReader, bool> each, params ReadOnlySpan<object?> values)
    {
        Flush();
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

        _posted?.Dispose();
        _connection.Dispose();
    }

    internal T InTransaction<T>(bool write, Func<Session, T> unit)
    {
        CommitSent = false;
        _posted?.BatchCommands.Clear();
        _transaction = _engine.Begin(_connection, write);
        try
        {
            var result = unit(this);
            Flush();
            CommitSent = true;
            _transaction.Commit();
            IsReused = true;
            return result;
        }
        finally
        {
            _transaction.Dispose();
            _transaction = null;
        }
    }

    private static object? Plain(object? value) => value switch
    {
        null or DBNull => null,
        int number => (long)number,
        decimal sum => (long)sum,
        _ => value,
    };

    private void Flush()
    {
        if (_posted is { BatchCommands.Count: > 0 })
        {
            _posted.Transaction = _transaction;
            _posted.ExecuteNonQuery();
            _posted.BatchCommands.Clear();
        }
    }

    private void Add(DbBatch batch, Statement statement, ReadOnlySpan<object?> values)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = _engine.TextOf(statement);
        Fill(command.Parameters, statement);
        SetValues(command.Parameters, values);
        batch.BatchCommands.Add(command);
    }

    private DbCommand Bind(Statement statement, ReadOnlySpan<object?> values)
    {
        if (!_commands.TryGetValue(statement, out var command))
        {
            command = _connection.CreateCommand();
            command.CommandText = _engine.TextOf(statement); // constant text of this assembly; values are always parameters
            Fill(command.Parameters, statement);
            _commands[statement] = command;
        }

        command.Transaction = _transaction;
        SetValues(command.Parameters, values);
        return command;
    }

    private void Fill(DbParameterCollection parameters, Statement statement)
    {
        foreach (var parameter in _engine.ParametersOf(statement, _connection))
        {
            parameters.Add(parameter);
        }
    }

    private void SetValues(DbParameterCollection parameters, ReadOnlySpan<object?> values)
    {
        if (values.Length != parameters.Count)
        {
            throw new ArgumentException($"The statement takes {parameters.Count} values, not {values.Length}.");
        }

        for (var index = 0; index < values.Length; index++)
        {
            parameters[index].Value = _engine.ValueOf(values[index]);
        }
    }
}
