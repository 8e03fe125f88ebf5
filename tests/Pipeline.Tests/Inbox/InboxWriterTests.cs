using System.Text;
using Microsoft.Data.Sqlite;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Inbox;

public sealed class InboxWriterTests
{
    private const int Partitions = 4;
    private static readonly Statement Hold = new(
        "UPDATE inbox_partition SET next_offset = next_offset WHERE partition = @partition");

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Offsets_are_gapless_and_every_event_is_read_back_as_it_was_accepted(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var (writer, layout) = await StartAsync(store);
        var requests = Enumerable.Range(0, 40)
            .Select(request => Enumerable.Range(0, 25).Select(index => Event($"person-{(request * 7) + index}")).ToList())
            .ToList();
        var outcomes = await Task.WhenAll(
            requests.Select(events => writer.AppendAsync("acme", events, default).AsTask()));
        await writer.DisposeAsync();

        Assert.All(outcomes, outcome => Assert.Equal(AppendOutcome.Committed, outcome));
        var read = await ReadAllAsync(store);
        foreach (var partition in read)
        {
            Assert.Equal(Enumerable.Range(0, partition.Count).Select(offset => (long)offset), partition.Select(e => e.Offset));
            Assert.All(partition, e => Assert.Equal(layout.NumberByConnection["acme"], e.ConnectionNumber));
        }

        var accepted = requests.SelectMany(events => events).ToDictionary(captured => captured.Uuid);
        Assert.Equal(accepted.Count, read.Sum(partition => partition.Count));
        Assert.All(read.SelectMany(partition => partition), e => AssertSame(accepted[e.Event.Uuid], e.Event));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Events_of_one_distinct_id_keep_their_order(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var (writer, _) = await StartAsync(store);
        var sent = new List<Guid>();
        for (var request = 0; request < 20; request++)
        {
            var events = Enumerable.Range(0, 5).Select(_ => Event("ada")).ToList();
            sent.AddRange(events.Select(captured => captured.Uuid));
            await writer.AppendAsync("acme", events, default);
        }

        await writer.DisposeAsync();
        var partition = Assert.Single(await ReadAllAsync(store), events => events.Count > 0);
        Assert.Equal(sent, partition.Select(e => e.Event.Uuid));
    }

    [Fact]
    public async Task While_the_database_is_locked_the_answer_is_unavailable_and_afterwards_committed()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Sqlite);
        var (writer, _) = await StartAsync(store);
        using (var other = new SqliteConnection($"Data Source={store.Path};Pooling=False"))
        {
            other.Open();
            using var hold = other.CreateCommand();
            hold.CommandText = "BEGIN EXCLUSIVE";
            hold.ExecuteNonQuery();
            Assert.Equal(AppendOutcome.Unavailable, await writer.AppendAsync("acme", [Event("ada")], default));
        }

        Assert.Equal(AppendOutcome.Committed, await writer.AppendAsync("acme", [Event("bob")], default));
        await writer.DisposeAsync();
        Assert.Equal("bob", Assert.Single((await ReadAllAsync(store)).SelectMany(e => e)).Event.DistinctId);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task When_too_much_waits_the_answer_is_full_and_nothing_of_the_request_is_kept(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await using var other = store.Open();
        var (writer, layout) = await StartAsync(store, queueEventsMax: 10);
        var partition = layout.Partitioning.Of("acme", Event("ada"));
        var isHeld = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var isEnough = new ManualResetEventSlim();
        var enough = isEnough;
        var holding = other.WriteAsync(session =>
        {
            session.Execute(Hold, partition);
            isHeld.TrySetResult();
            return enough.Wait(TimeSpan.FromSeconds(4));
        });
        await isHeld.Task;
        var waiting = writer.AppendAsync("acme", [.. Enumerable.Range(0, 10).Select(_ => Event("ada"))], default).AsTask();
        Assert.Equal(AppendOutcome.Full, await writer.AppendAsync("acme", [Event("bob")], default));
        enough.Set();
        Assert.True(await holding);
        await waiting;
        await writer.DisposeAsync();
        Assert.DoesNotContain((await ReadAllAsync(store)).SelectMany(e => e), e => e.Event.DistinctId == "bob");
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_failure_that_no_retry_can_mend_is_answered_and_reported_and_nothing_more_is_taken(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var (writer, _) = await StartAsync(store);
        Assert.Equal(AppendOutcome.Unavailable, await writer.AppendAsync("no such connection", [Event("ada")], default));
        Assert.Single(store.Broken);
        Assert.Equal(AppendOutcome.Unavailable, await writer.AppendAsync("acme", [Event("ada")], default));
        await writer.DisposeAsync();
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_stopped_writer_takes_nothing(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var (writer, _) = await StartAsync(store);
        await writer.DisposeAsync();
        Assert.Equal(AppendOutcome.Unavailable, await writer.AppendAsync("acme", [Event("ada")], default));
    }

    private static async Task<(InboxWriter Writer, PipelineLayout Layout)> StartAsync(
        TemporaryDatabase store, int queueEventsMax = 100_000)
    {
        var layout = await PipelineLayout.ReadAsync(store.Database, Partitions, 8, ["acme"]);
        var options = new InboxOptions
        {
            Partitions = Partitions,
            QueueEventsMax = queueEventsMax,
            QueueBytesMax = 1 << 26,
            CommitEventsMax = 500,
            CommitTimeout = TimeSpan.FromSeconds(10),
        };
        return (new InboxWriter(store.Database, layout, options, _ => { }, store.Broken.Add), layout);
    }

    private static async Task<List<List<InboxEvent>>> ReadAllAsync(TemporaryDatabase store)
    {
        var partitions = new List<List<InboxEvent>>();
        for (var partition = 0; partition < Partitions; partition++)
        {
            var number = partition;
            partitions.Add([.. await store.Database.ReadAsync(
                session => InboxStatements.Read(session, number, fromOffset: 0, int.MaxValue, bytesMax: long.MaxValue))]);
        }

        return partitions;
    }

    private static CaptureEvent Event(string distinctId)
    {
        var uuid = Guid.NewGuid();
        return new CaptureEvent(
            uuid,
            "signed up",
            distinctId,
            new DateTimeOffset(2026, 3, 1, 9, 0, 0, TimeSpan.Zero),
            new DateTimeOffset(2026, 3, 1, 9, 0, 1, TimeSpan.Zero),
            Door.Capture,
            CaptureNotes.Historical,
            Fingerprint: ulong.MaxValue - 1,
            Encoding.UTF8.GetBytes($$"""{"event":"signed up","uuid":"{{uuid}}"}"""));
    }

    private static void AssertSame(CaptureEvent expected, CaptureEvent actual)
    {
        Assert.Equal(expected with { Json = default }, actual with { Json = default });
        Assert.Equal(expected.Json.ToArray(), actual.Json.ToArray());
    }
}
