using System.Buffers;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Outbox;

public sealed class OutboxRowTests
{
    private static readonly OutboxEntry Entry = new(
        7, 0xFEDC, Guid.Parse("0198c2a0-1111-7000-8000-000000000001"), 42, Closes: true,
        new DateTimeOffset(2026, 3, 1, 9, 0, 0, TimeSpan.Zero), new OutboundMessage(MessageKind.Track, "m", "{}"u8.ToArray()));

    [Fact]
    public void Every_mark_of_an_entry_comes_back()
    {
        var entries = new[]
        {
            Entry,
            Entry with { Position = 8, Closes = false },
            Entry with { Position = 9, IsBackfill = true },
            Entry with { Position = 10, IsBackfill = true, Closes = false },
            Entry with { Position = 11, IsCorrection = true, Closes = false },
        };
        Assert.Equal(
            entries.Select(entry => (entry.Position, entry.Closes, entry.IsBackfill, entry.IsCorrection)),
            OutboxRow.Read(7, entries.Length, Row(entries))
                .Select(entry => (entry.Position, entry.Closes, entry.IsBackfill, entry.IsCorrection)));
    }

    [Fact]
    public void A_row_of_the_first_form_is_still_read()
    {
        var row = Row(Entry);
        row[0] = 1;
        var read = Assert.Single(OutboxRow.Read(7, 1, row));
        Assert.Equal((true, false), (read.Closes, read.IsBackfill));
    }

    [Fact]
    public void A_row_of_a_newer_build_is_not_guessed_at()
    {
        var row = Row(Entry);
        row[0] = 4;
        Assert.Throws<InvalidDataException>(() => OutboxRow.Read(7, 1, row));
    }

    [Fact]
    public void A_row_with_erased_entries_has_the_same_places_as_before()
    {
        var row = OutboxRow.Rewrite([Entry with { IsErased = true, IsBackfill = true }, Entry with { Closes = false }]);
        Assert.Equal(
            [(7L, true, true, true), (8L, false, false, false)],
            OutboxRow.Read(7, 2, row).Select(entry => (entry.Position, entry.Closes, entry.IsBackfill, entry.IsErased)));
    }

    private static byte[] Row(params OutboxEntry[] entries)
    {
        var buffer = new ArrayBufferWriter<byte>();
        OutboxRow.Begin(buffer);
        foreach (var entry in entries)
        {
            OutboxRow.Append(buffer, entry);
        }

        return buffer.WrittenSpan.ToArray();
    }
}
