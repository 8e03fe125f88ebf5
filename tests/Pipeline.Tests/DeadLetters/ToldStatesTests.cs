using System.Text;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.DeadLetters;

/// <summary>What was delivered since a letter died, and what that means for its replay.</summary>
public sealed class ToldStatesTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly DeliveryOutcome Delivered = new DeliveryOutcome.Delivered();
    private static readonly DeliveryOutcome Dead = new DeliveryOutcome.DeadLettered("status-400", 400, default, 1, Now, Now);

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public Task What_is_delivered_does_not_overtake_what_lies_behind_it_and_dies_in_the_same_commit(StoreKind kind) => AssertFateAsync(
        kind, "Send", [("""{"plan":"free"}""", Delivered), ("""{"plan":"pro"}""", Dead)]);

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public Task What_is_delivered_behind_it_in_the_same_commit_does(StoreKind kind) => AssertFateAsync(
        kind, "Superseded", [("""{"plan":"pro"}""", Dead), ("""{"plan":"free"}""", Delivered)]);

    [Theory]
    [InlineData(StoreKind.Sqlite, """{"address":{"city":"Oslo"}}""", "Send")]
    [InlineData(StoreKind.Sqlite, """{"address":{"street":"Y"}}""", "Superseded")]
    [InlineData(StoreKind.Sqlite, """{"address":"Oslo"}""", "Overtaken")]
    [InlineData(StoreKind.Sqlite, """{"address":{"street":"Y","city":"Oslo"}}""", "Superseded")]
    [InlineData(StoreKind.Postgres, """{"address":{"city":"Oslo"}}""", "Send")]
    [InlineData(StoreKind.Postgres, """{"address":{"street":"Y"}}""", "Superseded")]
    [InlineData(StoreKind.Postgres, """{"address":"Oslo"}""", "Overtaken")]
    [InlineData(StoreKind.Postgres, """{"address":{"street":"Y","city":"Oslo"}}""", "Superseded")]
    public Task Of_an_object_each_name_counts(StoreKind kind, string later, string fate) => AssertFateAsync(
        kind, fate, [("""{"address":{"street":"X"}}""", Dead), (later, Delivered)]);

    // All in one commit; there is one letter.
    private static async Task AssertFateAsync(
        StoreKind kind, string fate, (string Traits, DeliveryOutcome Outcome)[] messages)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var connection = (await PipelineLayout.ReadAsync(store.Database, 4, 2, ["acme"])).NumberByConnection["acme"];
        var changes = new SliceChanges();
        foreach (var (traits, outcome) in messages)
        {
            var body = Encoding.UTF8.GetBytes($$"""{"userId":"ada","traits":{{traits}}}""");
            var message = new OutboundMessage(MessageKind.Identify, $"m{changes.Finished.Count}", body);
            var entry = new OutboxEntry(changes.Finished.Count, 2, Guid.NewGuid(), 7, Closes: true, Now, message);
            changes.Finish(new FinishedMessage(entry, outcome), isHeld: false);
        }

        var state = await store.Database.ReadAsync(session => DeliveryStatements.ReadState(session, connection, 0));
        await store.Database.WriteAsync(session =>
        {
            new DeliveryCommit(connection, changes.Take(), [], Now).Run(session, 0, state.Progress.Encode(), state.Version);
            return true;
        });

        Assert.Equal(fate, await store.Database.ReadAsync(session =>
            $"{ToldStates.FateOf(session, connection, DeadLetterStatements.Find(session, connection, 1)!)}"));
    }
}
