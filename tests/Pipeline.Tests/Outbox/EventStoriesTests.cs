using System.Buffers;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Outbox;

/// <summary>Events that nobody has decided yet.</summary>
public sealed class EventStoriesTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task An_event_in_the_inbox_is_accepted_until_it_is_decided(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, 2, ["acme", "other"]);
        var connection = layout.NumberByConnection["acme"];
        var (uuid, second) = (Guid.NewGuid(), Guid.NewGuid());
        await store.Database.WriteAsync(session =>
        {
            InboxStatements.Append(session, 3, connection, 2, Row(uuid, second));
            return true;
        });

        var story = Assert.Single(await store.Database.ReadAsync(
            session => new EventStories(session, connection).Of(second).Stories));
        Assert.Equal(
            ("accepted", 3, 1L, Now, "ada"), (story.State, story.Partition, story.Offset, story.ReceivedAt, story.NamedId));
        Assert.Empty(await store.Database.ReadAsync(
            session => new EventStories(session, layout.NumberByConnection["other"]).Of(uuid).Stories));

        var progress = Progress.Start();
        progress.Add(0);
        await store.Database.WriteAsync(session =>
        {
            Pipeline.Ingest.IngestStatements.MoveProgress(session, 3, progress.Encode(), 0);
            return true;
        });
        Assert.Empty(await store.Database.ReadAsync(
            session => new EventStories(session, connection).Of(uuid).Stories));
        Assert.Single(await store.Database.ReadAsync(
            session => new EventStories(session, connection).Of(second).Stories));
    }

    private static byte[] Row(params Guid[] uuids)
    {
        var buffer = new ArrayBufferWriter<byte>();
        InboxRow.Begin(buffer);
        foreach (var uuid in uuids)
        {
            InboxRow.Append(buffer, new CaptureEvent(
                uuid, "signed up", "ada", Now, Now, Door.Capture, CaptureNotes.None, 7, "{}"u8.ToArray()));
        }

        return buffer.WrittenSpan.ToArray();
    }
}
