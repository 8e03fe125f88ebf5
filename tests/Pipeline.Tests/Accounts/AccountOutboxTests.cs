using System.Text.Json;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.People;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Accounts;

public sealed class AccountOutboxTests
{
    private static readonly AccountId Acme = new("acme", "acme");

    private static readonly StageRules Stages = StageRuleReader.ReadAccounts(
        ["prospect: always", "customer: seats > 5"], StagePolicy.Free).Rules!;

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task What_was_put_there_is_not_put_there_again_whatever_crashes(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var outbox = await OutboxAsync(store);
        var one = Set(AccountState.Unborn(Acme), "seats", "1");
        await outbox.SendAsync(one);
        await outbox.SendAsync(one);
        await store.ReopenAsync();
        var two = Set(one, "seats", "9");
        await (await OutboxAsync(store)).SendAsync(two);
        await (await OutboxAsync(store)).SendAsync(one);

        Assert.Equal(
            [
                "group 1 prospect", "track -> prospect",
                "group 9 customer", "track prospect -> customer",
            ],
            await SentAsync(store));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Changes_that_waited_go_out_as_one_and_no_move_is_left_out(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var outbox = await OutboxAsync(store);
        var state = Set(AccountState.Unborn(Acme), "seats", "1");
        state = Set(Set(state, "seats", "9"), "seats", "2");

        await outbox.SendAsync(state);

        Assert.Equal(
            ["group 2 prospect", "track -> prospect", "track prospect -> customer", "track customer -> prospect"],
            await SentAsync(store));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task All_messages_of_an_account_lie_in_its_own_lane_and_no_book_counts_them(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await (await OutboxAsync(store)).SendAsync(Set(AccountState.Unborn(Acme), "seats", "9"));

        Assert.All(await EntriesAsync(store), entry =>
        {
            Assert.Equal(Acme.Lane, entry.Lane);
            Assert.True(entry.IsCorrection);
        });
    }

    private static AccountState Set(AccountState state, string name, string json)
    {
        var says = new GroupSays(Guid.NewGuid(), "company", Captured.Nine, [new NamedValue(name, new JsonValue(json))]);
        return Account.Decide(state, new ObserveAccount(Acme, "", [], [says]), Stages).State;
    }

    private static async Task<AccountOutbox> OutboxAsync(TemporaryDatabase store)
    {
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, 1, ["acme"]);
        var options = new MappingOptions { AccountsSpeak = true };
        return new AccountOutbox(
            store.Database,
            layout,
            _ => (account, after) => AccountMapping.Map(account, after, options),
            (_, _) => { },
            hasViews: true,
            (_, _) => { },
            TimeProvider.System);
    }

    private static async Task<IEnumerable<string>> SentAsync(TemporaryDatabase store) =>
        (await EntriesAsync(store)).Select(entry => Told(JsonDocument.Parse(entry.Message.Body).RootElement));

    private static string Told(JsonElement body)
    {
        if (body.GetProperty("type").GetString() is "group")
        {
            var traits = body.GetProperty("traits");
            return $"group {traits.GetProperty("seats").GetInt32()} {traits.GetProperty("stage").GetString()}";
        }

        var move = body.GetProperty("properties");
        return $"track {move.GetProperty("from").GetString()} -> {move.GetProperty("to").GetString()}"
            .Replace("  ", " ", StringComparison.Ordinal);
    }

    private static async Task<IReadOnlyList<OutboxEntry>> EntriesAsync(TemporaryDatabase store)
    {
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, 1, ["acme"]);
        var number = layout.NumberByConnection["acme"];
        return await store.Database.ReadAsync(session => OutboxStatements.Read(session, number, 0, 0, int.MaxValue));
    }
}
