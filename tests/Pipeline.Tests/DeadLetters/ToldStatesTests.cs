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

    [Fact]
    public Task What_is_delivered_does_not_overtake_what_lies_behind_it_and_dies_in_the_same_commit() => AssertFateAsync(
        "Send", [("""{"plan":"free"}""", Delivered), ("""{"plan":"pro"}""", Dead)]);

    [Fact]
    public Task What_is_delivered_behind_it_in_the_same_commit_does() => AssertFateAsync(
        "Superseded", [("""{"plan":"pro"}""", Dead), ("""{"plan":"free"}""", Delivered)]);

    [Theory]
    [InlineData("""{"address":{"city":"Oslo"}}""", "Send")]
    [InlineData("""{"address":{"street":"Y"}}""", "Superseded")]
    [InlineData("""{"address":"Oslo"}""", "Overtaken")]
    [InlineData("""{"address":{"street":"Y","city":"Oslo"}}""", "Superseded")]
    public Task Of_an_object_each_name_counts(string later, string fate) => AssertFateAsync(
        fate, [("""{"address":{"street":"X"}}""", Dead), (later, Delivered)]);

    // All in one commit; there is one letter.
    private static async Task AssertFateAsync(string fate, (string Traits, DeliveryOutcome Outcome)[] messages)
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Sqlite);
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
