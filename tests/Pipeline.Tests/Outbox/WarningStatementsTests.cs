using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Outbox;

public sealed class WarningStatementsTests
{
    private static readonly DateTimeOffset Nine = new(2026, 3, 1, 9, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Every_page_goes_on_where_the_one_before_ended_whatever_comes_meanwhile(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var acme = await ConnectionAsync(store, "acme");
        for (var number = 0; number < 10; number++)
        {
            await AddAsync(store, Row(acme, number % 2 == 0 ? "even" : "odd", number));
        }

        var read = new List<string>();
        var below = long.MaxValue;
        while (await PageAsync(store, acme, null, below) is { Count: > 0 } page)
        {
            read.AddRange(page.Select(entry => entry.Row.Warning.Details));
            below = page[^1].Id;
            await AddAsync(store, Row(acme, "late", 99));
        }

        Assert.Equal([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], read.Select(int.Parse));
        var odd = await PageAsync(store, acme, "odd", long.MaxValue);
        Assert.Equal(["9", "7", "5"], odd.Select(entry => entry.Row.Warning.Details));
        Assert.Equal(Row(acme, "odd", 9) with { Uuid = odd[0].Row.Uuid }, odd[0].Row);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Connections_are_counted_and_listed_apart_and_partitions_together(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var (acme, globex) = (await ConnectionAsync(store, "acme"), await ConnectionAsync(store, "globex"));
        await store.Database.WriteAsync(session =>
        {
            WarningStatements.Add(session, 1, [Row(acme, "a", 1), Row(acme, "a", 2), Row(globex, "b", 3)]);
            WarningStatements.Add(session, 2, [Row(acme, "a", 4), Row(acme, "c", 5)]);
            return true;
        });

        var totals = await store.Database.ReadAsync(session => WarningStatements.Totals(session, acme));
        var listed = await PageAsync(store, globex, null, long.MaxValue);

        Assert.Equal(new Dictionary<string, long> { ["a"] = 3, ["c"] = 1 }, totals);
        Assert.Equal("3", Assert.Single(listed).Row.Warning.Details);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Only_what_is_older_goes_some_rows_at_a_time(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var acme = await ConnectionAsync(store, "acme");
        for (var number = 0; number < 5; number++)
        {
            await AddAsync(store, Row(acme, "a", number));
        }

        Assert.Equal(2, await DeleteAsync(store, 2, Nine.AddMinutes(3)));
        Assert.Equal(1, await DeleteAsync(store, 2, Nine.AddMinutes(3)));
        Assert.Equal(0, await DeleteAsync(store, 2, Nine.AddMinutes(3)));
        var left = await PageAsync(store, acme, null, long.MaxValue);
        Assert.Equal(["4", "3"], left.Select(entry => entry.Row.Warning.Details));
    }

    private static WarningRow Row(int connection, string type, int number) => new(
        connection,
        Guid.NewGuid(),
        Nine.AddMinutes(number),
        new IngestionWarning(type, number.ToString(System.Globalization.CultureInfo.InvariantCulture)));

    private static Task<int> ConnectionAsync(TemporaryDatabase store, string id) =>
        store.Database.WriteAsync(session => SettingStatements.NumberOf(session, id));

    private static Task<bool> AddAsync(TemporaryDatabase store, WarningRow row) => store.Database.WriteAsync(session =>
    {
        WarningStatements.Add(session, 0, [row]);
        return true;
    });

    private static Task<int> DeleteAsync(TemporaryDatabase store, int rows, DateTimeOffset before) =>
        store.Database.WriteAsync(session => WarningStatements.DeleteOldest(session, rows, before));

    private static Task<List<(long Id, WarningRow Row)>> PageAsync(
        TemporaryDatabase store, int connection, string? type, long below) =>
        store.Database.ReadAsync(session => WarningStatements.List(session, connection, type, below, rows: 3));
}
