using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.DeadLetters;

/// <summary>Letters go to the end of the lane that their person has now, whatever other nodes do at the same time.</summary>
public sealed class ReplayTests
{
    private const int Partitions = 2;
    private const ulong Lane = 2;
    private const ulong Into = 5;
    private const ulong Last = 8;
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly Statement CountWaiting = new(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid");

    [Fact]
    public async Task A_letter_that_was_written_down_while_its_lane_was_closed_is_replayed_in_the_lane_of_now()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        await using var other = store.Open();
        var connection = await MakeAsync(store);
        var id = await AddWhileClosedAsync(store, other, connection);
        Assert.Equal(Into, (await store.Database.ReadAsync(session => DeadLetterStatements.Find(session, connection, id)))!.Lane);

        var touched = await store.Database.WriteAsync(session => Replay(session, connection, id));

        Assert.Equal(0, Assert.Single(touched));
        await AssertReplayedAsync(store, connection, Last);
    }

    [Fact]
    public async Task A_lane_that_is_closed_while_a_replay_waits_for_its_turn_gets_nothing_any_more()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        await using var other = store.Open();
        var connection = await MakeAsync(store);
        var id = await AddWhileClosedAsync(store, other, connection);
        var isHeld = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var closing = other.WriteAsync(session =>
        {
            const ulong After = Last + 1;
            OutboxStatements.Hold(session, connection, PartitionOf(Last));
            OutboxStatements.Hold(session, connection, PartitionOf(After));
            LaneStatements.Close(session, connection, Last, After, Now);
            isHeld.TrySetResult();
            return SpinWait.SpinUntil(() => (long)session.Scalar(CountWaiting)! > 0, TimeSpan.FromSeconds(4));
        });
        await isHeld.Task;

        var touched = await store.Database.WriteAsync(session => Replay(session, connection, id));

        Assert.True(await closing, "nobody waited");
        Assert.Equal(1, Assert.Single(touched));
        await AssertReplayedAsync(store, connection, Last + 1);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_job_finds_the_letters_of_its_person_also_when_that_became_part_of_another_one(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var connection = await MakeAsync(store);
        var (id, job) = await store.Database.WriteAsync(session =>
        {
            var letter = Add(session, connection);
            var wish = new DeadLetterJob(
                0, connection, DeadLetterJobKind.Discard, new DeadLetterFilter(Lane: Into), Force: false, "test orders", Now,
                FinishedAt: null, letter, Cursor: 0, Total: 1, Done: 0, Refused: 0, Delivered: 0, Dead: 0, CancelledAt: null,
                Superseded: 0);
            return (letter, DeadLetterJobStatements.Add(session, wish));
        });
        await store.Database.WriteAsync(session =>
        {
            LaneStatements.Close(session, connection, Into, Last, Now);
            return true;
        });

        await store.Database.WriteAsync(session => DeadLetterJob.Step(session, job, Partitions, Now));

        var found = await store.Database.ReadAsync(session => DeadLetterStatements.Find(session, connection, id));
        Assert.Equal(DeadLetterState.Discarded, found!.State);
    }

    private static async Task<int> MakeAsync(TemporaryDatabase store)
    {
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, Partitions, ["acme"]);
        var connection = layout.NumberByConnection["acme"];
        await store.Database.WriteAsync(session =>
        {
            LaneStatements.Close(session, connection, Lane, Into, Now);
            return true;
        });
        return connection;
    }

    /// <summary>A slice, which holds its own delivery partition only, writes a letter down for the lane that its person has,
    /// while another node closes that one.</summary>
    private static async Task<long> AddWhileClosedAsync(TemporaryDatabase store, PipelineDatabase other, int connection)
    {
        using var isAdded = new ManualResetEventSlim();
        using var isClosed = new ManualResetEventSlim();
        var (added, closed) = (isAdded, isClosed);
        var adding = store.Database.WriteAsync(session =>
        {
            OutboxStatements.Hold(session, connection, PartitionOf(Lane));
            var id = Add(session, connection);
            added.Set();
            Assert.True(closed.Wait(TimeSpan.FromSeconds(4)));
            return id;
        });
        Assert.True(added.Wait(TimeSpan.FromSeconds(20)));
        await other.WriteAsync(session =>
        {
            LaneStatements.Close(session, connection, Into, Last, Now);
            return true;
        });
        closed.Set();
        return await adding;
    }

    private static long Add(Session session, int connection)
    {
        var message = new OutboundMessage(MessageKind.Track, "m1", "{}"u8.ToArray());
        var entry = new OutboxEntry(0, Lane, Guid.NewGuid(), 7, Closes: true, Now, message);
        DeadLetterStatements.Add(
            session, connection, 0, entry, new DeliveryOutcome.DeadLettered("status-400", 400, default, 1, Now, Now));
        var key = new EventKey(connection, entry.Uuid, entry.Fingerprint);
        LetteredEvents.Change(session, 0, key, letters => letters.WithDead());
        return DeadLetterStatements.OfEvent(session, connection, entry.Uuid).Single().Id;
    }

    private static IReadOnlyList<int> Replay(Session session, int connection, long id)
    {
        var replay = new Replay(connection, Partitions, Now);
        var letter = DeadLetterStatements.FindToChange(session, connection, id)!;
        Assert.Equal(LetterRefusal.None, replay.Add(session, letter, force: false, job: null));
        return replay.Write(session);
    }

    private static async Task AssertReplayedAsync(TemporaryDatabase store, int connection, ulong lane)
    {
        var entries = await store.Database.ReadAsync(
            session => OutboxStatements.Read(session, connection, PartitionOf(lane), 0, int.MaxValue));
        var entry = Assert.Single(entries);
        Assert.Equal((lane, true), (entry.Lane, entry.IsReplay));
    }

    private static int PartitionOf(ulong lane) => (int)(lane % Partitions);
}
