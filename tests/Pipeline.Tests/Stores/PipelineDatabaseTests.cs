using System.Data.Common;
using Microsoft.Data.Sqlite;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Stores;

public sealed class PipelineDatabaseTests
{
    private static readonly Statement Add = new("INSERT INTO setting (name, value) VALUES (@name, @value)");
    private static readonly Statement Count = new("SELECT count(*) FROM setting");

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_unit_that_fails_fails_alone(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var units = Enumerable.Range(0, 50)
            .Select(number => store.Database.WriteAsync(session =>
                session.Execute(Add, $"n{number}", number == 25 ? null : "x")))
            .ToList();
        await Assert.ThrowsAnyAsync<DbException>(() => units[25]);
        units.RemoveAt(25);
        await Task.WhenAll(units);
        Assert.Equal(49L, await store.Database.ReadAsync(session => session.Scalar(Count)));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task What_was_committed_is_there_after_the_database_is_opened_again(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await store.Database.WriteAsync(session => session.Execute(Add, "a", "1"));
        await store.ReopenAsync();
        Assert.Equal(1L, await store.Database.ReadAsync(session => session.Scalar(Count)));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_read_sees_one_moment_while_others_write(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var (before, after) = await store.Database.ReadAsync(session =>
        {
            var first = session.Scalar(Count);
            store.Database.WriteAsync(other => other.Execute(Add, "a", "1")).GetAwaiter().GetResult();
            return (first, session.Scalar(Count));
        });
        Assert.Equal(before, after);
    }

    [Fact]
    public async Task While_another_process_holds_the_file_a_write_fails_and_later_ones_succeed()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Sqlite);
        using (var other = new SqliteConnection($"Data Source={store.Path};Pooling=False"))
        {
            other.Open();
            using var hold = other.CreateCommand();
            hold.CommandText = "BEGIN EXCLUSIVE";
            hold.ExecuteNonQuery();
            await Assert.ThrowsAsync<SqliteException>(() =>
                store.Database.WriteAsync(session => session.Execute(Add, "a", "1")));
            Assert.False(await store.Database.CanWriteAsync(TimeSpan.FromSeconds(5)));
        }

        await store.Database.WriteAsync(session => session.Execute(Add, "b", "1"));
        Assert.True(await store.Database.CanWriteAsync(TimeSpan.FromSeconds(5)));
        Assert.Equal(1L, await store.Database.ReadAsync(session => session.Scalar(Count)));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task The_layout_is_fixed_at_the_first_start_and_connections_keep_their_numbers(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var first = await PipelineLayout.ReadAsync(store.Database, 32, 8, ["acme", "globex"]);
        await store.ReopenAsync();
        var second = await PipelineLayout.ReadAsync(store.Database, 64, 4, ["globex", "initech"]);
        Assert.Equal(32, second.Partitioning.Partitions);
        Assert.Equal(8, second.DeliveryPartitions);
        Assert.Equal(first.NumberByConnection["globex"], second.NumberByConnection["globex"]);
        Assert.NotEqual(first.NumberByConnection["acme"], second.NumberByConnection["initech"]);
    }
}
