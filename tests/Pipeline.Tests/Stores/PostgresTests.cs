using System.Buffers;
using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using Npgsql;
using VarianceActors.Databases;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Ingest;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Stores;

/// <summary>What SQLite's one writer gives for nothing, and PostgreSQL must be asked for: nodes that write at the same time.</summary>
public sealed class PostgresTests
{
    private static readonly Statement Add = new("INSERT INTO setting (name, value) VALUES (@name, @value)");
    private static readonly Statement Change = new("UPDATE setting SET value = @value WHERE name = @name");
    private static readonly Statement Take = new("UPDATE setting SET value = 'taken' WHERE name = 'held'");

    private static readonly Statement Raise = new(
        "UPDATE setting SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'effects'");

    private static readonly Statement Select = new("SELECT value FROM setting WHERE name = @name");
    private static readonly Statement SelectSqliteColumns = new("""
        SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE 'Schema%'
        """);

    private static readonly Statement SelectPostgresColumns = new("""
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'pipeline' AND table_name NOT IN ('schemaversions', 'node')
        """);

    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Both_databases_have_the_same_tables_and_columns()
    {
        await using var sqlite = await TemporaryDatabase.CreateAsync(StoreKind.Sqlite);
        await using var postgres = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        var expected = await sqlite.Database.ReadAsync(session => session.Query(SelectSqliteColumns, Column));
        var actual = await postgres.Database.ReadAsync(session => session.Query(SelectPostgresColumns, Column));
        Assert.NotEmpty(expected);
        Assert.Equal(expected.Order(StringComparer.Ordinal), actual.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Nodes_that_start_at_the_same_time_make_the_schema_once()
    {
        var connectionString = await (await PostgresServer.Shared).CreateDatabaseAsync();
        var nodes = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(
            () => PipelineDatabase.Open(TemporaryDatabase.OptionsFor(connectionString)))));
        var layouts = await Task.WhenAll(nodes.Select((node, number) =>
            PipelineLayout.ReadAsync(node, 4 + number, 2, number == 1 ? ["globex", "acme"] : ["acme", "globex"])));
        foreach (var node in nodes)
        {
            await node.DisposeAsync();
        }

        Assert.Single(layouts.Select(layout => layout.Partitioning.Partitions).Distinct());
        Assert.Single(layouts.Select(layout => layout.NumberByConnection["acme"]).Distinct());
        Assert.Single(layouts.Select(layout => layout.NumberByConnection["globex"]).Distinct());
    }

    [Fact]
    public async Task Units_that_lock_the_same_rows_in_opposite_order_both_happen()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        await store.Database.WriteAsync(session => session.Execute(Add, "a", "0") + session.Execute(Add, "b", "0"));
        using var both = new Barrier(2);
        var (runs, barrier) = (0, both);
        Task<int> WriteAsync(string first, string second) => store.Database.WriteAsync(session =>
        {
            session.Execute(Change, first, first);
            if (Interlocked.Increment(ref runs) <= 2)
            {
                barrier.SignalAndWait();
            }

            return session.Execute(Change, first, second);
        });

        int[] written = await Task.WhenAll(WriteAsync("a", "b"), WriteAsync("b", "a"));
        Assert.All(written, rows => Assert.Equal(1, rows));
        Assert.True(runs >= 3, "one of the two was run again");
    }

    [Fact]
    public async Task Two_nodes_fill_a_partition_without_gaps_and_no_event_is_passed_by()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        await using var other = store.Open();
        var layout = await PipelineLayout.ReadAsync(store.Database, 2, 2, ["acme"]);
        var connection = layout.NumberByConnection["acme"];
        using var done = new CancellationTokenSource();
        var seen = Task.Run(async () =>
        {
            var next = 0L;
            while (true)
            {
                var last = done.IsCancellationRequested;
                var read = await store.Database.ReadAsync(
                    session => InboxStatements.Read(session, 1, next, 1_000, 1 << 20));
                foreach (var inboxEvent in read)
                {
                    Assert.Equal(next++, inboxEvent.Offset);
                }

                if (last && read.IsEmpty)
                {
                    return next;
                }
            }
        });

        await Task.WhenAll(Enumerable.Range(0, 300).Select(number =>
            (number % 2 == 0 ? store.Database : other).WriteAsync(session =>
            {
                InboxStatements.Append(session, number % 3 == 0 ? 0 : 1, connection, 1, InboxRowOf(Guid.NewGuid()));
                return true;
            })));
        await done.CancelAsync();
        Assert.Equal(200, await seen);
    }

    [Fact]
    public async Task Of_two_copies_of_an_actor_one_moves_its_position_and_the_other_one_is_fenced()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        for (var version = 0L; version < 20; version++)
        {
            var copies = Enumerable.Range(0, 4).Select(copy => store.Database.WriteAsync(session =>
            {
                IngestStatements.MoveProgress(session, 3, [(byte)copy], version);
                return copy;
            })).ToList();
            var failures = 0;
            foreach (var copy in copies)
            {
                try
                {
                    await copy;
                }
                catch (FencedException)
                {
                    failures++;
                }
            }

            Assert.Equal(3, failures);
        }
    }

    [Fact]
    public async Task Nothing_is_put_into_a_lane_behind_the_mark_that_closes_it()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        await using var other = store.Open();
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, 2, ["acme"]);
        var connection = layout.NumberByConnection["acme"];
        var (late, early) = (0, 0);
        for (var round = 0; round < 60; round++)
        {
            var (lane, into) = (100UL + (ulong)(4 * round), 101UL + (ulong)(4 * round));
            var message = Commit(connection, 0, round, lane, []);
            var merge = Commit(connection, 1, round, into, [lane]);
            var stale = store.Database.WriteAsync(session => message.Run(session, Done(round), round));
            await other.WriteAsync(session => merge.Run(session, Done(round), round));
            if (!(await stale).IsEmpty)
            {
                late++;
                await store.Database.WriteAsync(session =>
                    Commit(connection, 0, round, into, []).Run(session, Done(round), round));
            }
            else
            {
                early++;
            }
        }

        var entries = await store.Database.ReadAsync(
            session => OutboxStatements.Read(session, connection, 0, 0, int.MaxValue));
        foreach (var lane in entries.GroupBy(entry => entry.Lane))
        {
            Assert.NotNull(lane.Last().Barrier);
        }

        Assert.Equal(60, late + early);
    }

    [Fact]
    public async Task Of_two_operators_who_give_one_letter_up_one_is_told_that_it_is_done_already()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        await using var other = store.Open();
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, 2, ["acme"]);
        var connection = layout.NumberByConnection["acme"];
        for (var number = 0; number < 20; number++)
        {
            var id = await store.Database.WriteAsync(session => AddLetter(session, connection, number));
            var answers = await Task.WhenAll(((PipelineDatabase[])[store.Database, other]).Select(node =>
                node.WriteAsync(session => DeadLetterJob.Discard(
                    session, connection, DeadLetterStatements.FindToChange(session, connection, id)!, "no", Now))));
            Assert.Equal([LetterRefusal.None, LetterRefusal.NotDead], answers.Order());
        }
    }

    [Fact]
    public async Task A_text_with_nul_is_kept_without_it()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        await store.Database.WriteAsync(session => session.Execute(Add, "nul", "a\0b"));
        Assert.Equal("a\uFFFDb", await store.Database.ReadAsync(session => session.Scalar(Select, "nul")));
    }

    [Fact]
    public async Task While_the_server_is_away_writes_are_refused_at_once_and_when_it_is_back_they_succeed()
    {
        await using var server = await PostgresServer.StartAsync();
        await using var database = PipelineDatabase.Open(
            TemporaryDatabase.OptionsFor(await server.CreateDatabaseAsync()));
        await database.WriteAsync(session => session.Execute(Add, "before", "1"));
        await database.ReadAsync(session => session.Scalar(Select, "before"));
        await server.KillAsync();
        var clock = Stopwatch.StartNew();
        for (var attempt = 0; attempt < 50; attempt++)
        {
            await Assert.ThrowsAnyAsync<DbException>(() =>
                database.WriteAsync(session => session.Execute(Add, $"{attempt}", "1")));
            await Assert.ThrowsAnyAsync<DbException>(() => database.ReadAsync(session => session.Scalar(Select, "before")));
        }

        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"{clock.Elapsed} for 100 refusals");
        await server.RestartAsync();
        await UntilWritableAsync(database);
        Assert.Equal("1", await database.ReadAsync(session => session.Scalar(Select, "before")));
    }

    [Fact]
    public async Task A_server_that_has_restarted_meanwhile_costs_no_write()
    {
        await using var server = await PostgresServer.StartAsync();
        await using var database = PipelineDatabase.Open(
            TemporaryDatabase.OptionsFor(await server.CreateDatabaseAsync()));
        await Task.WhenAll(Enumerable.Range(0, 20).Select(number =>
            database.WriteAsync(session => session.Execute(Add, $"a{number}", "1"))));
        await server.KillAsync();
        await server.RestartAsync();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(number =>
            database.WriteAsync(session => session.Execute(Add, $"b{number}", "1"))));
    }

    [Fact]
    public async Task A_commit_whose_answer_is_lost_is_told_as_a_failure_and_whoever_looks_finds_out()
    {
        var steps = int.Parse(Environment.GetEnvironmentVariable("VARIANCE_COMMITS") ?? "400", CultureInfo.InvariantCulture);
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        await using var proxy = new ChaosProxy((await PostgresServer.Shared).Port);
        await using var database = PipelineDatabase.Open(TemporaryDatabase.OptionsFor(
            new NpgsqlConnectionStringBuilder(store.Postgres.ConnectionString) { Port = proxy.Port }.ToString()));
        var commits = 0;
        proxy.ToTarget = bytes => bytes.Span.IndexOf("COMMIT\0"u8) < 0 ? Fate.Pass
            : (Interlocked.Increment(ref commits) % 4) switch
            {
                0 => Fate.PassThenCut,
                2 => Fate.Cut,
                _ => Fate.Pass,
            };
        await store.Database.WriteAsync(session => session.Execute(Add, "effects", "0"));
        var (version, happened) = (0L, 0);
        while (version < steps)
        {
            var step = version;
            var isTold = await TryAsync(() => database.WriteAsync(session =>
            {
                IngestStatements.MoveProgress(session, 1, [1], step);
                return session.Execute(Raise);
            }));
            (version, _) = await store.Database.ReadAsync(session => IngestStatements.ReadProgress(session, 1));
            happened += !isTold && version > step ? 1 : 0;
        }

        Assert.True(proxy.Cuts >= steps / 4, $"{proxy.Cuts} cuts");
        Assert.True(happened >= steps / 8, $"{happened} commits happened and were told as failures");
        Assert.Equal($"{version}", await store.Database.ReadAsync(session => session.Scalar(Select, "effects")));
    }

    [Theory]
    [InlineData("ALTER ROLE CURRENT_USER SET synchronous_commit = off", "synchronous_commit must not be off")]
    [InlineData("ALTER SYSTEM SET full_page_writes = off; SELECT pg_reload_conf()", "full_page_writes must not be off")]
    public async Task A_server_that_answers_before_the_disk_is_refused(string setting, string reason)
    {
        await using var server = await PostgresServer.StartAsync();
        var options = TemporaryDatabase.OptionsFor(await server.CreateDatabaseAsync());
        foreach (var statement in setting.Split(';'))
        {
            await server.ExecuteAsync("postgres", statement);
        }

        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < TimeSpan.FromSeconds(10))
        {
            try
            {
                await PipelineDatabase.Open(options).DisposeAsync(); // the server reads its settings in its own time
            }
            catch (UnsafeDatabaseException refused)
            {
                Assert.StartsWith(reason, refused.Message, StringComparison.Ordinal);
                return;
            }
        }

        Assert.Fail("It was never refused.");
    }

    [Fact]
    public async Task A_node_that_stands_still_in_a_transaction_gives_its_locks_back_before_others_give_up()
    {
        await using var store = await TemporaryDatabase.CreateAsync(StoreKind.Postgres);
        await store.Database.WriteAsync(session => session.Execute(Add, "held", "0"));
        await using var other = store.Open();
        using var thaws = new ManualResetEventSlim();
        using var holds = new ManualResetEventSlim();
        var frozen = other.WriteAsync(session =>
        {
            session.Execute(Take);
            holds.Set();
            thaws.Wait();
            return session.Execute(Take);
        });
        holds.Wait();
        var clock = Stopwatch.StartNew();
        try
        {
            await store.Database.WriteAsync(session => session.Execute(Take));
        }
        finally
        {
            thaws.Set();
        }

        Assert.True(clock.Elapsed > TimeSpan.FromSeconds(1), "nobody was in the way"); // above 5 s, the write fails
        await Assert.ThrowsAnyAsync<DbException>(() => frozen);
    }

    /// <summary>As actors do: what failed is not tried again before somebody has looked.</summary>
    private static async Task<bool> TryAsync(Func<Task> write)
    {
        try
        {
            await write();
            return true;
        }
        catch (Exception e) when (e is DbException or FencedException)
        {
            return false; // Whether it happened is what the next read tells, and a commit may even come behind that read.
        }
    }

    private static async Task UntilWritableAsync(PipelineDatabase database)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await database.CanWriteAsync(TimeSpan.FromSeconds(5)))
        {
            Assert.True(await ticks.WaitForNextTickAsync(patience.Token));
        }
    }

    private static string Column(DbDataReader row) => $"{row.GetString(0)}.{row.GetString(1)}";

    private static Progress Done(long offset)
    {
        var progress = Progress.Start();
        for (var done = 0L; done <= offset; done++)
        {
            progress.Add(done);
        }

        return progress;
    }

    private static IngestCommit Commit(int connection, int partition, long offset, ulong lane, ulong[] behind)
    {
        var captured = new CaptureEvent(
            Guid.NewGuid(), "signed up", "ada", Now, Now, Door.Capture, CaptureNotes.None, 7, "{}"u8.ToArray());
        var message = new OutboundMessage(MessageKind.Track, $"{captured.Uuid}", "{}"u8.ToArray());
        var result = new EventResult(offset, LedgerDecision.Queued, "", lane, [message], []) { Behind = [.. behind] };
        return new IngestCommit(
            partition, deliveryPartitions: 2, _ => null, [new DecidedEvent(new InboxEvent(connection, offset, captured), result)], Now);
    }

    private static byte[] InboxRowOf(Guid uuid)
    {
        var buffer = new ArrayBufferWriter<byte>();
        InboxRow.Begin(buffer);
        InboxRow.Append(buffer, new CaptureEvent(
            uuid, "signed up", "ada", Now, Now, Door.Capture, CaptureNotes.None, 7, "{}"u8.ToArray()));
        return buffer.WrittenSpan.ToArray();
    }

    private static long AddLetter(Session session, int connection, int position)
    {
        var message = new OutboundMessage(MessageKind.Track, $"m{position}", "{}"u8.ToArray());
        var entry = new OutboxEntry(position, 2, Guid.NewGuid(), 7, Closes: true, Now, message);
        DeadLetterStatements.Add(
            session, connection, 0, entry, new DeliveryOutcome.DeadLettered("status-400", 400, default, 1, Now, Now));
        var key = new EventKey(connection, entry.Uuid, entry.Fingerprint);
        LetteredEvents.Change(session, 0, key, letters => letters.WithDead());
        return DeadLetterStatements.OfEvent(session, connection, entry.Uuid).Single().Id;
    }
}
