using System.Buffers;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.People;
using VarianceActors.Pipeline.Views;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Stores;

/// <summary>
/// The binary columns as they lie in databases. Golden files hold their bytes in hexadecimal digits; a form that is not written any
/// more keeps its file, since it is still read.
/// </summary>
public sealed class GoldenRowTests
{
    private static readonly Guid Ada = new("0198c2a0-0000-7000-8000-0000000000a1");
    private static readonly OutboxEntry Entry = new(
        7, 0xFEDC, Ada, 42, Closes: true, Captured.Nine, new OutboundMessage(MessageKind.Track, "m", "{}"u8.ToArray()));

    public static TheoryData<string> Forms() => [.. Written().Keys];

    [Theory]
    [MemberData(nameof(Forms))]
    public void What_is_written_is_what_the_golden_file_says(string form) =>
        Assert.Equal(Golden(form), Convert.ToHexString(Written()[form]));

    [Fact]
    public void Every_golden_file_is_read() => Assert.Equal(
        ["inbox-row.1", "outbox-row.1", "outbox-row.2", "outbox-row.3", "progress.1", "progress.2", "told-state.1", "view-row.1"],
        Directory.GetFiles(Folder(), "*.hex").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal));

    [Fact]
    public void An_inbox_row_is_read()
    {
        var read = Assert.Single(InboxRow.Read(2, 40, 1, Bytes("inbox-row.1")));

        Assert.Equal((2, 40L, Ada, "$identify", "dév ☃-1"), (
            read.ConnectionNumber, read.Offset, read.Event.Uuid, read.Event.Event, read.Event.DistinctId));
        Assert.Equal(Accepted().Json.ToArray(), read.Event.Json.ToArray());
        Assert.Equal((CaptureNotes.Historical, Captured.Nine, Door.Capture), (
            read.Event.Notes, read.Event.ReceivedAt, read.Event.Door));
    }

    [Theory]
    [InlineData("outbox-row.1", "7 m last;8 m further")]
    [InlineData("outbox-row.2", "7 m last;8 m further backfill;9 m further correction;10 m further replay;11 wakes 3;12 after 3/70000000000")]
    [InlineData("outbox-row.3", "7 m last erased;8 m further")]
    public void An_outbox_row_of_any_form_is_read(string form, string said)
    {
        var read = OutboxRow.Read(7, said.Count(c => c == ';') + 1, Bytes(form));

        Assert.Equal(said, string.Join(';', read.Select(Say)));
        Assert.All(read, entry => Assert.Equal((0xFEDCUL, Ada, 42UL, Captured.Nine), (
            entry.Lane, entry.Uuid, entry.Fingerprint, entry.AcceptedAt)));
    }

    [Fact]
    public void A_row_of_the_feed_is_read()
    {
        var read = ViewRow.Read(3, Bytes("view-row.1"));

        var person = Assert.IsType<PersonEntry>(read[0]);
        Assert.Equal((Contact().Event, Contact().Face, Contact().Moved, Contact().DueAt), (
            person.Event, person.Face, person.Moved, person.DueAt));
        var account = Assert.IsType<AccountEntry>(read[1]);
        Assert.Equal(Account().Steps.AsEnumerable(), account.Steps);
        Assert.Equal(Account().Stage, account.Stage);
        Assert.Equal(new ErasedEntry(Captured.Nine), read[2]);
    }

    [Theory]
    [InlineData("progress.1")]
    [InlineData("progress.2")]
    public void Progress_of_any_form_is_read(string form)
    {
        var read = Progress.Decode(Bytes(form));

        Assert.Equal((70_000_000_000, 3L), (read.Next, read.Done - read.Next));
        Assert.Equal([2L, 3, 300], Enumerable.Range(0, 400).Select(n => (long)n).Where(n => read.IsDone(read.Next + n)));
    }

    [Fact]
    public void What_was_told_is_read() => Assert.Equal(Told(), ToldStates.Decode(Bytes("told-state.1")));

    private static string Folder() => Path.Combine(AppContext.BaseDirectory, "Stores", "Golden");

    private static string Golden(string form) => File.ReadAllText(Path.Combine(Folder(), $"{form}.hex")).TrimEnd();

    private static byte[] Bytes(string form) => Convert.FromHexString(Golden(form));

    /// <summary>What this build writes, by form.</summary>
    private static Dictionary<string, byte[]> Written() => new()
    {
        ["inbox-row.1"] = Row(InboxRow.Begin, InboxRow.Append, Accepted()),
        ["outbox-row.2"] = Row(
            OutboxRow.Begin,
            OutboxRow.Append,
            Entry,
            Entry with { Closes = false, IsBackfill = true },
            Entry with { Closes = false, IsCorrection = true },
            Entry with { Closes = false, IsReplay = true },
            Entry with { Barrier = new LaneBarrier(3, null), Message = LaneBarrier.NoMessage },
            Entry with { Barrier = new LaneBarrier(null, (3, 70_000_000_000)), Message = LaneBarrier.NoMessage }),
        ["outbox-row.3"] = OutboxRow.Rewrite([Entry with { IsErased = true }, Entry with { Closes = false }]),
        ["view-row.1"] = Row<ViewEntry>(
            ViewRow.Begin, ViewRow.Append, Contact(), Account(), new ErasedEntry(Captured.Nine)),
        ["progress.2"] = Progress.Decode(Bytes("progress.1")).Encode(),
        ["told-state.1"] = ToldStates.Encode(Told()),
    };

    private static byte[] Row<T>(Action<IBufferWriter<byte>> begin, Action<IBufferWriter<byte>, T> append, params T[] entries)
    {
        var buffer = new ArrayBufferWriter<byte>();
        begin(buffer);
        Array.ForEach(entries, entry => append(buffer, entry));
        return buffer.WrittenSpan.ToArray();
    }

    private static CaptureEvent Accepted() => Captured.Event(
        "$identify", "dév ☃-1", """{"plan":"prö"}""", uuid: Ada, notes: CaptureNotes.Historical);

    private static PersonEntry Contact() => new(Captured.Nine, Ada, 3, ["ada", "dév ☃-1"], "acme")
    {
        Event = new EventSeen(Ada, "report", true, true),
        Face = new ContactFace("ada", "Ada", "ada@acme.example", null, null, Captured.Nine, "{}"),
        Moved = new ContactMove(
            3, true, new AccountLink("acme", AccountRule.TraitPath, "company.id"), true,
            new StagePlace("lead", Captured.Nine, "always"), new StagePlace(null, Captured.Nine, "no rule", "eve")),
        DueAt = Captured.Nine.AddDays(2),
    };

    private static AccountEntry Account() => new(
        Captured.Nine, "acme", 7, "Acme", "beta", new StageFace("lead", Captured.Nine, "always", "eve"), 2, ["acme.example"], "{}")
    {
        Steps = [new Pipeline.Views.AccountStep(6, Captured.Nine, "", null, "lead", "always", "eve")],
    };

    private static Dictionary<ulong, (ulong Value, long Overtakes)> Told() => new()
    {
        [5] = (ulong.MaxValue, 9),
        [ulong.MaxValue - 1] = (7, 70_000_000_000),
    };

    private static string Say(OutboxEntry entry) => entry.Barrier switch
    {
        { Wakes: { } wakes } => $"{entry.Position} wakes {wakes}",
        { After: { } after } => $"{entry.Position} after {after.DeliveryPartition}/{after.Position}",
        _ => $"{entry.Position} {entry.Message.MessageId} {(entry.Closes ? "last" : "further")}"
            + (entry.IsBackfill ? " backfill" : "") + (entry.IsCorrection ? " correction" : "")
            + (entry.IsReplay ? " replay" : "") + (entry.IsErased ? " erased" : ""),
    };
}
