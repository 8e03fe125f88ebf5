using Microsoft.Data.Sqlite;
using VarianceActors.Harness;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.Durability;

/// <summary>What a journal may look like when a cluster has written it.</summary>
public sealed class JournalTests
{
    [Fact]
    public async Task A_person_is_read_whose_home_went_to_another_node_and_came_back()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Store: StoreKind.Sqlite));
        for (var visit = 1; visit <= 3; visit++)
        {
            await VisitAsync(pipeline, visit);
        }

        // Facts bear the mark of the node that wrote them: here of one, then of another, then of the first one again.
        await pipeline.RestartAsync(async () => Assert.Equal(1, await MarkAsync(pipeline, "UPDATE journal SET writer_uuid = 'another' "
            + "WHERE sequence_number = 2 AND persistence_id LIKE 'person-%'")));
        await VisitAsync(pipeline, 4);

        var person = await pipeline.PersonAsync("user-1");
        Assert.Equal(4, person!.Value.GetProperty("properties").GetProperty("visit").GetInt32());
        Assert.Equal(0, (await pipeline.LedgerAsync())["pending"]);
    }

    private static async Task VisitAsync(PipelineHarness pipeline, int visit)
    {
        var properties = new Dictionary<string, object> { ["$set"] = new { visit } };
        await pipeline.CaptureAsync(new { uuid = Guid.NewGuid(), @event = "$set", distinct_id = "user-1", properties });
        await pipeline.SettledAsync();
    }

    private static async Task<int> MarkAsync(PipelineHarness pipeline, string statement)
    {
        await using var journal = new SqliteConnection(
            $"Data Source={Path.Combine(pipeline.DataDirectory, "journal.db")};Pooling=False");
        await journal.OpenAsync();
        await using var command = journal.CreateCommand();
        command.CommandText = statement;
        return await command.ExecuteNonQueryAsync();
    }
}
