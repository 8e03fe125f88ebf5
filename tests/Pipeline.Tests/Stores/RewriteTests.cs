using System.Globalization;
using Microsoft.Data.Sqlite;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Stores;

/// <summary>What was deleted is not in a file that was written anew, although it may be in one where it was overwritten.</summary>
public sealed class RewriteTests : IDisposable
{
    private const string Canary = "canary-7f3a";
    private const int Persons = 12;
    private const int Erased = 5;
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("variance-rewrite-");

    [Fact]
    public async Task Copies_that_rows_left_behind_when_they_moved_to_other_pages_are_gone()
    {
        await using var database = PipelineDatabase.Open(_directory.FullName, TimeSpan.FromSeconds(1), _ => { });
        for (var seed = 0; seed < 12; seed++)
        {
            WriteAndDelete(seed);
        }

        Assert.True(await database.TruncateLogAsync());
        Assert.True(IsInFiles(), "overwriting was enough; then nothing need be written anew");
        await database.RewriteAsync();
        Assert.True(await database.TruncateLogAsync());
        Assert.False(IsInFiles());
        Assert.True(await database.CanWriteAsync(TimeSpan.FromSeconds(10)));
    }

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        _directory.Delete(recursive: true);
    }

    // Histories of persons in one table, as the journal has them; those of some are deleted.
    private void WriteAndDelete(int seed)
    {
        var random = new Random(seed);
        var numbers = new int[Persons];
        using var connection = new SqliteConnection($"Data Source={Path.Combine(_directory.FullName, "pipeline.db")}");
        connection.Open();
        Execute(connection, "PRAGMA secure_delete = ON; PRAGMA synchronous = OFF");
        Execute(connection, $"CREATE TABLE facts{seed} (id INTEGER PRIMARY KEY, person TEXT, number INTEGER, fact BLOB)");
        Execute(connection, $"CREATE UNIQUE INDEX facts{seed}_of ON facts{seed} (person, number)");
        for (var row = 0; row < 3_000; row++)
        {
            var person = random.Next(Persons);
            var name = person < Erased ? Canary : "somebody";
            using var insert = connection.CreateCommand();
            insert.CommandText = $"INSERT INTO facts{seed} (person, number, fact) VALUES (@person, @number, @fact)";
            insert.Parameters.AddWithValue("@person", string.Create(CultureInfo.InvariantCulture, $"{name}/{person}"));
            insert.Parameters.AddWithValue("@number", ++numbers[person]);
            insert.Parameters.AddWithValue("@fact", string.Concat(Enumerable.Repeat(name, random.Next(1, 40))));
            insert.ExecuteNonQuery();
        }

        Execute(connection, $"DELETE FROM facts{seed} WHERE person LIKE '{Canary}%'");
    }

    private static void Execute(SqliteConnection connection, string text)
    {
        using var command = connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }

    private bool IsInFiles() => _directory.EnumerateFiles().Any(file =>
    {
        using var stream = file.Open(FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content.AsSpan().IndexOf("canary-7f3a"u8) >= 0;
    });
}
