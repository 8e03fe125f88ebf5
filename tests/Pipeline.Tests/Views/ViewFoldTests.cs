using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using VarianceActors.Pipeline.Views;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Views;

/// <summary>The feed and its folding, step by step.</summary>
public sealed class ViewFoldTests
{
    private static readonly DateTimeOffset Nine = new(2026, 3, 1, 9, 0, 0, TimeSpan.Zero);
    private static readonly Guid Ada = new("00000000-0000-0000-0000-00000000000a");
    private static readonly Guid Bob = new("00000000-0000-0000-0000-00000000000b");

    [Fact]
    public void A_row_is_read_as_it_was_written()
    {
        ViewEntry[] entries =
        [
            Seen(Ada, 3, "ada") with
            {
                Face = Face("ada") with { Name = "Ada", Email = "ada@acme.com" },
                Moved = new ContactMove(
                    3, true, new AccountLink("acme", AccountRule.TraitPath, "company.id"), true,
                    new StagePlace("lead", Nine, "always"), new StagePlace(null, Nine, "no rule", "eve")),
                DueAt = Nine.AddDays(2),
            },
            new AccountEntry(
                Nine, "acme", 7, "Acme", "beta", new StageFace("lead", Nine, "always", "eve"), 2, ["acme.com"], "{}")
            {
                Steps = [new Pipeline.Views.AccountStep(6, Nine, "", null, "lead", "always", "eve")],
            },
        ];
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        ViewRow.Begin(buffer);
        foreach (var entry in entries)
        {
            ViewRow.Append(buffer, entry);
        }

        var read = ViewRow.Read(2, buffer.WrittenSpan.ToArray());
        var again = new System.Buffers.ArrayBufferWriter<byte>();
        ViewRow.Begin(again);
        ViewRow.Append(again, read[0]);
        ViewRow.Append(again, read[1]);
        Assert.Equal(buffer.WrittenSpan.ToArray(), again.WrittenSpan.ToArray());
        Assert.Equal(((PersonEntry)entries[0]).Moved, ((PersonEntry)read[0]).Moved);
        Assert.Equal(((PersonEntry)entries[0]).Face, ((PersonEntry)read[0]).Face);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_step_that_somebody_else_did_meanwhile_fails_and_changes_nothing(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await AddAsync(store, Seen(Ada, 0, "ada"), Seen(Ada, 0, "ada"));
        var rows = await store.Database.ReadAsync(session => FeedStatements.Read(session, 1, 0, 0, 100, 1_000_000));
        await StepAsync(store, rows);

        await Assert.ThrowsAsync<FencedException>(() => StepAsync(store, rows));
        Assert.Equal(2, await CountAsync(store, "SELECT sum(events) FROM view_activity"));
        Assert.Equal(2, await CountAsync(store, "SELECT position FROM view_progress"));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_step_that_dies_before_its_commit_is_done_again_and_counted_once(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await AddAsync(store, Seen(Ada, 0, "ada"));
        var rows = await store.Database.ReadAsync(session => FeedStatements.Read(session, 1, 0, 0, 100, 1_000_000));

        await Assert.ThrowsAsync<InvalidOperationException>(() => StepAsync(store, rows, dies: true));
        Assert.Equal(0, await CountAsync(store, "SELECT count(*) FROM view_activity"));
        await StepAsync(store, rows);
        Assert.Equal(1, await CountAsync(store, "SELECT sum(events) FROM view_activity"));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task What_a_person_that_has_ended_says_late_counts_for_who_took_it_in_and_brings_nobody_back(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var merged = Seen(Ada, 8, "ada") with { Ids = ["ada", "bob"], Face = Face("ada"), Ended = [Bob] };
        await FoldAsync(store, merged);
        await FoldAsync(store, Seen(Bob, 5, "bob") with { Face = Face("bob") });

        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_contact"));
        Assert.Equal(2, await CountAsync(store, """
            SELECT sum(a.events) FROM view_activity a JOIN view_id i ON i.number = a.id
            JOIN view_contact c ON c.person = i.person
            """));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite, false)]
    [InlineData(StoreKind.Sqlite, true)]
    [InlineData(StoreKind.Postgres, false)]
    public async Task What_a_visitor_says_late_does_not_hide_the_contact_that_it_has_become(StoreKind kind, bool atOnce)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        ViewEntry[] entries =
        [
            Seen(Ada, 1, "ada") with { Face = Face("ada"), DueAt = Nine.AddDays(2) },
            Seen(Ada, 0, "device") with { IsNoContact = true },
        ];
        foreach (var step in atOnce ? [entries] : entries.Chunk(1))
        {
            await FoldAsync(store, step);
        }

        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_contact WHERE user_id = 'ada'"));
        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_due"));
        Assert.Equal(2, await CountAsync(store, """
            SELECT sum(a.events) FROM view_activity a JOIN view_id i ON i.number = a.id
            JOIN view_contact c ON c.person = i.person
            """));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_pin_that_is_told_again_by_a_person_of_a_later_version_or_after_a_merge_is_one_row(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var place = new StagePlace("won", Nine, "pinned", "eve");
        foreach (var (version, left) in ((long, string)[])[(3, "lead"), (5, "lead"), (6, "trial")])
        {
            var moved = new ContactMove(version, false, null, true, new StagePlace(left, Nine, ""), place);
            await FoldAsync(store, new PersonEntry(Nine, Ada, version, ["ada"], "") { Face = Face("ada"), Moved = moved });
        }

        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_contact_move"));
        Assert.Equal(1, await CountAsync(store, "SELECT sum(moves) FROM view_stage_day WHERE to_stage = 'won'"));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite, false)]
    [InlineData(StoreKind.Sqlite, true)]
    [InlineData(StoreKind.Postgres, false)]
    public async Task Of_one_version_the_move_and_the_last_word_of_when_to_look_both_count(StoreKind kind, bool moveIsLast)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await FoldAsync(store, Seen(Ada, 1, "ada") with { Face = Face("ada") with { Stage = new StageFace("lead", Nine, "", null) } });
        var (moved, seen) = (Seen(Ada, 2, "ada") with { Event = null, Face = Face("ada") }, Seen(Ada, 2, "ada") with { Face = Face("ada") });
        var due = Nine.AddDays(2);
        await FoldAsync(store, moveIsLast ? [seen, moved with { DueAt = due }] : [moved, seen with { DueAt = due }]);

        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_contact_move WHERE from_stage = 'lead'"));
        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_due"));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_stay_of_unknown_length_is_none_in_the_average(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await FoldAsync(
            store,
            Steps("acme", new Pipeline.Views.AccountStep(6, Nine, "", null, "lead", "always", null)),
            Steps("beta", new Pipeline.Views.AccountStep(6, Nine, "lead", null, "won", "always", null)),
            Steps("third", new Pipeline.Views.AccountStep(6, Nine, "lead", Nine.AddHours(-10), "won", "always", null)),
            Steps("fourth", new Pipeline.Views.AccountStep(6, Nine, "lead", Nine.AddHours(10), "won", "always", null)));

        Assert.Equal(3, await CountAsync(store, "SELECT sum(moves) FROM view_stage_day WHERE from_stage = 'lead'"));
        Assert.Equal(1, await CountAsync(store, "SELECT sum(known) FROM view_stage_day"));
    }

    [Fact]
    public void The_average_stay_is_of_those_of_whom_it_is_known()
    {
        var stay = (long)TimeSpan.FromHours(10).TotalMilliseconds;

        var figures = StageFlow.Figures(
            StageRules.None, [], [new StageFlow("", "lead", 3, 3, 0, 0), new StageFlow("lead", "won", 2, 2, 1, stay)]);

        Assert.Equal([TimeSpan.FromHours(10), null, null], figures.Select(stage => stage.TimeInStage));
        Assert.Equal([2, 0, 3], figures.Select(stage => stage.Left));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task What_is_erased_leaves_nothing_behind(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await AddAsync(store, Seen(Bob, 1, "bob") with { Face = Face("bob") }, Seen(Ada, 1, "ada") with { Face = Face("ada") });
        var rows = await store.Database.ReadAsync(session => FeedStatements.Read(session, 1, 0, 0, 100, 1_000_000));
        await StepAsync(store, rows);
        await store.Database.WriteAsync(session =>
        {
            Erase(session);
            return true;
        });

        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_contact"));
        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_id"));
        Assert.Equal(1, await CountAsync(store, "SELECT sum(events) FROM view_activity"));
        var left = await store.Database.ReadAsync(session => FeedStatements.Read(session, 1, 0, 0, 100, 1_000_000));
        Assert.Equal(2, left.Sum(row => row.Entries.Length));
        Assert.Equal(["ada"], left.SelectMany(row => row.Entries).OfType<PersonEntry>().Select(entry => entry.Ids[0]));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Who_is_erased_between_reading_and_folding_is_not_brought_back(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await AddAsync(store, Seen(Bob, 1, "bob") with { Face = Face("bob") }, Seen(Ada, 1, "ada") with { Face = Face("ada") });
        var options = new ViewsOptions { BatchEntries = 100, RecentEvents = 100 };
        var (from, rows) = await ViewProjector.ReadAsync(store.Database, options, 1, 0);
        await store.Database.WriteAsync(session =>
        {
            ErasedIdStatements.Add(session, 1, ["bob"], ErasedLevel.Suppressed, Nine);
            Erase(session);
            return true;
        });

        await ViewProjector.FoldAsync(store.Database, options, new ErasedIds(), 1, 0, from, rows);

        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_contact"));
        Assert.Equal(1, await CountAsync(store, "SELECT count(*) FROM view_id"));
        Assert.Equal(1, await CountAsync(store, "SELECT sum(events) FROM view_activity"));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_long_feed_is_erased_in_pages(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        ViewEntry[] visits = [.. Enumerable.Repeat(Seen(Ada, 1, "ada"), 3_000)];
        foreach (var row in (ViewEntry[][])[visits, visits, [Seen(Bob, 1, "bob")]])
        {
            await AddAsync(store, row);
        }

        Assert.Equal(6_000, await store.Database.WriteAsync(session => ViewErasure.EraseFeed(session, 1, 0, 0, [Bob], [])));
        Assert.Equal(1, await BobsAsync());
        Assert.Equal(6_001, await store.Database.WriteAsync(session => ViewErasure.EraseFeed(session, 1, 0, 6_000, [Bob], [])));
        Assert.Null(await store.Database.WriteAsync(session => ViewErasure.EraseFeed(session, 1, 0, 6_001, [Bob], [])));
        Assert.Equal(0, await BobsAsync());

        async Task<int> BobsAsync()
        {
            var rows = await store.Database.ReadAsync(session => FeedStatements.Read(session, 1, 0, 0, 9_000, 9_000_000));
            return rows.SelectMany(row => row.Entries).OfType<PersonEntry>().Count(entry => entry.Person == Bob);
        }
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Who_ends_or_is_erased_leaves_its_stage_and_who_comes_back_enters_it(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await FoldAsync(store, In(Seen(Ada, 1, "ada"), null, "lead"), In(Seen(Bob, 1, "bob"), null, "won"));
        await FoldAsync(store, In(Seen(Ada, 2, "ada"), "lead", "won") with { Ids = ["ada", "bob"], Ended = [Bob] });
        Assert.Equal(1, await MovesAsync("won", ""));

        var apart = new ContactMove(3, true, null, false, null, null);
        await FoldAsync(store, In(Seen(Bob, 3, "bob"), null, "won") with { Event = null, Moved = apart });
        Assert.Equal(2, await MovesAsync("", "won"));

        await store.Database.WriteAsync(session =>
        {
            Erase(session);
            return true;
        });
        Assert.Equal(2, await MovesAsync("won", ""));
        Assert.Equal(1, await CountAsync(store, "SELECT members FROM view_stage_total WHERE stage = 'won'"));

        Task<long> MovesAsync(string from, string to) => CountAsync(
            store, $"SELECT sum(moves) FROM view_stage_day WHERE from_stage = '{from}' AND to_stage = '{to}'");
    }

    [Theory]
    [InlineData(StoreKind.Sqlite, true)]
    [InlineData(StoreKind.Sqlite, false)]
    [InlineData(StoreKind.Postgres, true)]
    public async Task Who_ends_leaves_the_stage_that_it_was_in_also_if_the_lists_learn_of_that_stage_later(StoreKind kind, bool isShown)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        ViewEntry[] earlier = [In(Seen(Bob, 1, "bob"), null, "lead")];
        ViewEntry[] late = [In(Seen(Bob, 2, "bob"), "lead", "won")];
        var bob = new ContactTurn(null, new StagePlace("won", Nine, ""), 1, 0, 0, null, null);
        var ended = new PersonEntry(Nine, Bob, -1, ["ada"], "") { Moved = ContactEnded.Of(Bob, bob, 3).ToMove() };
        await FoldAsync(store, isShown ? earlier : []);
        await FoldAsync(store, Seen(Ada, 3, "ada") with { Ids = ["ada", "bob"], Face = Face("ada") }, ended);
        await FoldAsync(store, isShown ? late : [.. earlier, .. late]);

        foreach (var stage in (string[])["lead", "won"])
        {
            Assert.Equal(1, await CountAsync(store, $"SELECT sum(moves) FROM view_stage_day WHERE to_stage = '{stage}'"));
            Assert.Equal(1, await CountAsync(store, $"SELECT sum(moves) FROM view_stage_day WHERE from_stage = '{stage}'"));
            Assert.Equal(0, await CountAsync(store, $"SELECT sum(members) FROM view_stage_total WHERE stage = '{stage}'"));
        }
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task An_account_that_is_merged_into_another_one_leaves_its_stage_and_comes_back(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var lead = new AccountEntry(Nine, "acme", 1, null, null, new StageFace("lead", Nine, "always", null), 0, [], "{}")
        {
            Steps = [new Pipeline.Views.AccountStep(1, Nine, "", null, "lead", "always", null)],
        };
        await FoldAsync(store, lead);
        await FoldAsync(store, lead with { Version = 2, MergedInto = "beta" });
        await FoldAsync(store, lead with { Version = 2, MergedInto = "beta" });
        Assert.Equal(1, await CountAsync(store, "SELECT sum(moves) FROM view_stage_day WHERE to_stage = ''"));

        await FoldAsync(store, lead with
        {
            Version = 3,
            MergedInto = "beta",
            Stage = new StageFace("won", Nine, "pinned", "eve"),
            Steps = [new Pipeline.Views.AccountStep(3, Nine, "lead", Nine, "won", "pinned", "eve")],
        });
        Assert.Equal(2, await CountAsync(store, "SELECT count(*) FROM view_account_move"));
        Assert.Equal(0, await CountAsync(store, "SELECT sum(moves) FROM view_stage_day WHERE to_stage = 'won'"));

        await FoldAsync(store, lead with { Version = 4, Stage = new StageFace("won", Nine, "pinned", "eve"), Steps = [] });
        Assert.Equal(1, await CountAsync(store, "SELECT sum(moves) FROM view_stage_day WHERE to_stage = 'won'"));
        Assert.Equal(1, await CountAsync(store, "SELECT sum(moves) FROM view_stage_day WHERE from_stage = 'lead'"));
        Assert.Equal(1, await CountAsync(store, "SELECT members FROM view_stage_total WHERE stage = 'won'"));
    }

    private static PersonEntry In(PersonEntry entry, string? left, string stage) => entry with
    {
        Face = Face(entry.Ids[0]) with { Stage = new StageFace(stage, Nine, "always", null) },
        Moved = new ContactMove(
            entry.Version, false, null, true, left is null ? null : new StagePlace(left, Nine, ""), new StagePlace(stage, Nine, "")),
    };

    private static void Erase(Session session)
    {
        ViewErasure.EraseFeed(session, 1, 0, 0, [Bob], ["bob"]);
        ViewErasure.EraseTables(session, 1, [Bob], ["bob"], Nine);
    }

    private static PersonEntry Seen(Guid person, long version, string id) => new(Nine, person, version, [id], "")
    {
        Event = new EventSeen(Guid.NewGuid(), "report", true, true),
    };

    private static AccountEntry Steps(string id, Pipeline.Views.AccountStep step) =>
        new(Nine, id, 7, null, null, null, 0, [], "{}") { Steps = [step] };

    private static ContactFace Face(string user) => new(user, null, null, null, null, Nine, "{}");

    private static Task<bool> AddAsync(TemporaryDatabase store, params ViewEntry[] entries)
    {
        var batch = new FeedBatch(1);
        foreach (var entry in entries)
        {
            batch.Add(1, 0, entry);
        }

        return store.Database.WriteAsync(session =>
        {
            SettingStatements.NumberOf(session, "acme");
            batch.Write(session, Nine);
            return true;
        });
    }

    private static Task<bool> StepAsync(TemporaryDatabase store, List<FeedRow> rows, bool dies = false) =>
        store.Database.WriteAsync(session =>
        {
            FeedStatements.Take(session, 1);
            FeedStatements.Move(session, 1, 0, rows[0].First, rows[^1].Next);
            Fold(session, [.. rows.SelectMany(row => row.Entries)]);
            return dies ? throw new InvalidOperationException("It dies here.") : true;
        });

    private static Task<bool> FoldAsync(TemporaryDatabase store, params ViewEntry[] entries) =>
        store.Database.WriteAsync(session =>
        {
            SettingStatements.NumberOf(session, "acme");
            Fold(session, entries);
            return true;
        });

    private static void Fold(Session session, ViewEntry[] entries)
    {
        var fold = new ViewFold(session, 1, 100);
        foreach (var entry in entries)
        {
            fold.Take(entry);
        }

        fold.Write();
    }

    private static Task<long> CountAsync(TemporaryDatabase store, string sql) =>
        store.Database.ReadAsync(session => session.Scalar(new Statement(sql)) as long? ?? 0);
}
