using System.Text;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.People;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Erasures;

public sealed class ErasedIdsTests
{
    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_node_learns_what_another_one_has_erased_and_what_was_lifted(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var (one, other) = (new ErasedIds(), new ErasedIds());
        var connection = await store.Database.WriteAsync(session => SettingStatements.NumberOf(session, "acme"));
        Assert.False((await one.RefreshAsync(store.Database)).Any(connection));

        await AddAsync(store, connection, ErasedLevel.Muted, "ada", "bob");
        await one.RefreshAsync(store.Database);
        await AddAsync(store, connection, ErasedLevel.Gone, "ada");
        await AddAsync(store, connection, ErasedLevel.Suppressed, "ada", "carl");
        foreach (var node in (ErasedIds[])[one, other])
        {
            var now = await node.RefreshAsync(store.Database);
            Assert.Equal((true, true), (now.IsMuted(connection, "ada"), now.IsSuppressed(connection, "ada")));
            Assert.True(now.IsGone(connection, "ada"));
            Assert.Equal((true, false), (now.IsMuted(connection, "bob"), now.IsSuppressed(connection, "bob")));
            Assert.Equal((true, false), (now.IsSuppressed(connection, "carl"), now.IsGone(connection, "carl")));
            Assert.False(now.IsMuted(connection, "dora") || now.IsMuted(connection + 1, "ada"));
        }

        Assert.True(await store.Database.WriteAsync(session => ErasedIdStatements.Lift(session, connection, "ada")));
        Assert.False(await store.Database.WriteAsync(session => ErasedIdStatements.Lift(session, connection, "ada")));
        var after = await one.RefreshAsync(store.Database);
        Assert.Equal((false, true), (after.IsMuted(connection, "ada"), after.IsMuted(connection, "bob")));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task An_event_loses_the_erased_ids_that_it_names_and_nothing_else(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var connection = await store.Database.WriteAsync(session => SettingStatements.NumberOf(session, "acme"));
        await AddAsync(store, connection, ErasedLevel.Suppressed, "ada");
        var erased = await new ErasedIds().RefreshAsync(store.Database);
        var identify = Captured.Event(
            "$identify", "bob", """{"n":1.0,"$anon_distinct_id":"\u0061da","$device_id":"ada","who":"ada","$set":{"a":[1]}}""");

        var without = ErasedEvents.Without(erased, connection, identify);

        Assert.EndsWith(
            """{"n":1.0,"$anon_distinct_id":null,"$device_id":null,"who":"ada","$set":{"a":[1]}}}""",
            Encoding.UTF8.GetString(without.Json.Span),
            StringComparison.Ordinal);
        Assert.True(without.Notes.HasFlag(CaptureNotes.OtherIdErased));
        Assert.Equal(new MergeAsk(MergeKind.Identify, "bob", "bob"), EventReading.Of(without).Merge);
        var alias = ErasedEvents.Without(erased, connection, Captured.Event("$create_alias", "bob", """{"alias":"ada"}"""));
        Assert.Null(EventReading.Of(alias).Merge);
        Assert.Empty(EventReading.Of(alias).Warnings);
        var others = Captured.Event("$identify", "bob", """{"$anon_distinct_id":"carl"}""");
        Assert.Same(others, ErasedEvents.Without(erased, connection, others));
        Assert.True(ErasedEvents.IsErased(erased, connection, Captured.Event("seen", "ada")));
        Assert.False(ErasedEvents.IsErased(erased, connection + 1, Captured.Event("seen", "ada")));
    }

    private static Task<bool> AddAsync(TemporaryDatabase store, int connection, ErasedLevel level, params string[] ids) =>
        store.Database.WriteAsync(session =>
        {
            ErasedIdStatements.Add(session, connection, ids, level, Captured.Nine);
            return true;
        });
}
