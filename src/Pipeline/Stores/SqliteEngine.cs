using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace VarianceActors.Pipeline.Stores;

/// <summary>SQLite has one writer at a time; what waits for it is committed in one transaction, so that one fsync serves many.</summary>
internal sealed class SqliteEngine(string connectionString) : Engine
{
    public override int WritersMax => 1;

    public override int ReadersMax => 4;

    public override int UnitsPerCommitMax => 256;

    public override TimeSpan ReaderPatience => Timeout.InfiniteTimeSpan;

    public override DbConnection Connect() => SqliteFile.OpenConnection(connectionString);

    public override DbTransaction Begin(DbConnection connection, bool write) =>
        ((SqliteConnection)connection).BeginTransaction(deferred: !write);

    public override string TextOf(Statement statement) => statement.Text;

    public override IEnumerable<DbParameter> ParametersOf(Statement statement, DbConnection connection) =>
        statement.Parameters.Select(name => new SqliteParameter { ParameterName = name });

    public override object ValueOf(object? value) => value ?? DBNull.Value;

    public override bool MayRunAgain(Exception failure, bool isReused, bool commitSent) => false;

    public override bool IsBroken(Exception failure)
    {
        const int inputOutputError = 10;
        const int corrupt = 11;
        const int notADatabase = 26;
        return failure is SqliteException { SqliteErrorCode: inputOutputError or corrupt or notADatabase };
    }

    public override void Rewrite() => SqliteFile.Rewrite(connectionString);

    public override bool TruncateLog() => SqliteFile.TruncateLog(connectionString);

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
