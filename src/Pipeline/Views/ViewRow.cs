using System.Buffers;
using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>The binary form of a row of the feed: a form number, then one entry after the other.</summary>
internal static class ViewRow
{
    private const byte Form = 1;
    private const byte OfPerson = 1;
    private const byte OfAccount = 2;
    private const byte Erased = 3;

    public static void Begin(IBufferWriter<byte> buffer) => new RowWriter(buffer).WriteByte(Form);

    public static void Append(IBufferWriter<byte> buffer, ViewEntry entry)
    {
        var writer = new RowWriter(buffer);
        if (entry is PersonEntry person)
        {
            writer.WriteByte(OfPerson);
            Write(writer, person);
        }
        else if (entry is AccountEntry account)
        {
            writer.WriteByte(OfAccount);
            Write(writer, account);
        }
        else
        {
            writer.WriteByte(Erased);
            Write(writer, entry.At);
        }
    }

    /// <exception cref="InvalidDataException">The row is damaged, or written by a newer build.</exception>
    public static ImmutableArray<ViewEntry> Read(int count, byte[] payload)
    {
        var reader = new RowReader(payload);
        if (reader.ReadByte() is var form and not Form)
        {
            throw new InvalidDataException($"A row of the views' feed has form {form}; this build reads form {Form}.");
        }

        var entries = ImmutableArray.CreateBuilder<ViewEntry>(count);
        for (var index = 0; index < count; index++)
        {
            entries.Add(reader.ReadByte() switch
            {
                OfPerson => ReadPerson(ref reader),
                OfAccount => ReadAccount(ref reader),
                Erased => new ErasedEntry(ReadTime(ref reader)),
                var kind => throw new InvalidDataException($"A row of the views' feed has an entry of kind {kind}."),
            });
        }

        return entries.MoveToImmutable();
    }

    private static void Write(RowWriter writer, PersonEntry entry)
    {
        Write(writer, entry.At);
        writer.WriteGuid(entry.Person);
        writer.WriteVarint(entry.Version + 1);
        Write(writer, entry.Ids);
        writer.WriteText(entry.Account);
        writer.WriteByte((byte)(
            (entry.Event is null ? 0 : 1)
            | (entry.Event is { Counts: true } ? 2 : 0)
            | (entry.Event is { IsSeen: true } ? 4 : 0)
            | (entry.Face is null ? 0 : 8)
            | (entry.IsNoContact ? 16 : 0)
            | (entry.Moved is null ? 0 : 32)
            | (entry.DueAt is null ? 0 : 64)));
        if (entry.Event is { } seen)
        {
            writer.WriteGuid(seen.Uuid);
            writer.WriteText(seen.Name);
        }

        if (entry.Face is { } face)
        {
            Write(writer, face);
        }

        if (entry.Moved is { } moved)
        {
            Write(writer, moved);
        }

        if (entry.DueAt is { } due)
        {
            Write(writer, due);
        }

        writer.WriteVarint(entry.Ended.Length);
        foreach (var ended in entry.Ended)
        {
            writer.WriteGuid(ended);
        }
    }

    private static PersonEntry ReadPerson(ref RowReader reader)
    {
        var entry = new PersonEntry(
            ReadTime(ref reader), reader.ReadGuid(), reader.ReadVarint() - 1, ReadTexts(ref reader), reader.ReadText());
        var marks = reader.ReadByte();
        entry = entry with
        {
            Event = (marks & 1) == 0
                ? null
                : new EventSeen(reader.ReadGuid(), reader.ReadText(), (marks & 2) != 0, (marks & 4) != 0),
            Face = (marks & 8) == 0 ? null : ReadFace(ref reader),
            IsNoContact = (marks & 16) != 0,
            Moved = (marks & 32) == 0 ? null : ReadMove(ref reader),
            DueAt = (marks & 64) == 0 ? null : ReadTime(ref reader),
        };
        var ended = new Guid[reader.ReadVarint()];
        for (var index = 0; index < ended.Length; index++)
        {
            ended[index] = reader.ReadGuid();
        }

        return entry with { Ended = [.. ended] };
    }

    private static void Write(RowWriter writer, ContactFace face)
    {
        writer.WriteText(face.UserId);
        WriteOptional(writer, face.Name);
        WriteOptional(writer, face.Email);
        Write(writer, face.Account);
        Write(writer, face.Stage);
        Write(writer, face.CreatedAt);
        writer.WriteText(face.Properties);
    }

    private static ContactFace ReadFace(ref RowReader reader) => new(
        reader.ReadText(),
        ReadOptional(ref reader),
        ReadOptional(ref reader),
        ReadLink(ref reader),
        ReadStage(ref reader),
        ReadTime(ref reader),
        reader.ReadText());

    // A place outside of all stages is kept, because it has a time and a rule too. Of where somebody moved to the tables need
    // no more than when and by whom.
    private static void Write(RowWriter writer, ContactMove move)
    {
        writer.WriteVarint(move.Version);
        writer.WriteByte((byte)((move.IsOtherAccount ? 1 : 0) | (move.IsOtherStage ? 2 : 0)));
        Write(writer, move.Account);
        Write(writer, move.Left is { } left ? new StageFace(left.Name ?? "", left.Since, left.Rule, left.By) : null);
        Write(writer, move.Stage is { } to ? new StageFace(to.Name ?? "", to.At, to.Rule, to.Operator) : null);
    }

    private static ContactMove ReadMove(ref RowReader reader)
    {
        var version = reader.ReadVarint();
        var marks = reader.ReadByte();
        return new ContactMove(
            version,
            (marks & 1) != 0,
            ReadLink(ref reader),
            (marks & 2) != 0,
            PlaceOf(ReadStage(ref reader)),
            PlaceOf(ReadStage(ref reader)));
    }

    private static void Write(RowWriter writer, AccountEntry entry)
    {
        Write(writer, entry.At);
        writer.WriteText(entry.Id);
        writer.WriteVarint(entry.Version);
        WriteOptional(writer, entry.Name);
        WriteOptional(writer, entry.MergedInto);
        Write(writer, entry.Stage);
        writer.WriteVarint(entry.Contacts);
        Write(writer, entry.Domains);
        writer.WriteText(entry.Properties);
        writer.WriteVarint(entry.Steps.Length);
        foreach (var step in entry.Steps)
        {
            writer.WriteVarint(step.Version);
            Write(writer, step.At);
            writer.WriteText(step.From);
            writer.WriteVarint((step.Entered?.UtcTicks ?? -1) + 1);
            writer.WriteText(step.To);
            writer.WriteText(step.Rule);
            WriteOptional(writer, step.By);
        }
    }

    private static AccountEntry ReadAccount(ref RowReader reader)
    {
        var entry = new AccountEntry(
            ReadTime(ref reader),
            reader.ReadText(),
            reader.ReadVarint(),
            ReadOptional(ref reader),
            ReadOptional(ref reader),
            ReadStage(ref reader),
            (int)reader.ReadVarint(),
            ReadTexts(ref reader),
            reader.ReadText());
        var steps = new AccountStep[reader.ReadVarint()];
        for (var index = 0; index < steps.Length; index++)
        {
            var (version, at, from) = (reader.ReadVarint(), ReadTime(ref reader), reader.ReadText());
            var entered = reader.ReadVarint() - 1;
            steps[index] = new AccountStep(
                version,
                at,
                from,
                entered < 0 ? null : new DateTimeOffset(entered, TimeSpan.Zero),
                reader.ReadText(),
                reader.ReadText(),
                ReadOptional(ref reader));
        }

        return entry with { Steps = [.. steps] };
    }

    private static Stages.StagePlace? PlaceOf(StageFace? stage) =>
        stage is null
            ? null
            : new Stages.StagePlace(stage.Name.Length == 0 ? null : stage.Name, stage.Since, stage.Rule, stage.By);

    private static void Write(RowWriter writer, DateTimeOffset time) => writer.WriteVarint(time.UtcTicks);

    private static DateTimeOffset ReadTime(ref RowReader reader) => new(reader.ReadVarint(), TimeSpan.Zero);

    private static void Write(RowWriter writer, AccountLink? link)
    {
        writer.WriteByte((byte)(link?.Rule ?? 0));
        if (link is not null)
        {
            writer.WriteText(link.Key);
            writer.WriteText(link.Value);
        }
    }

    private static AccountLink? ReadLink(ref RowReader reader)
    {
        var rule = reader.ReadByte();
        if (rule == 0)
        {
            return null;
        }

        var key = reader.ReadText();
        return new AccountLink(key, (AccountRule)rule, reader.ReadText());
    }

    private static void Write(RowWriter writer, StageFace? stage)
    {
        writer.WriteByte((byte)(stage is null ? 0 : 1));
        if (stage is not null)
        {
            writer.WriteText(stage.Name);
            Write(writer, stage.Since);
            writer.WriteText(stage.Rule);
            WriteOptional(writer, stage.By);
        }
    }

    private static StageFace? ReadStage(ref RowReader reader) => reader.ReadByte() == 0
        ? null
        : new StageFace(reader.ReadText(), ReadTime(ref reader), reader.ReadText(), ReadOptional(ref reader));

    private static void WriteOptional(RowWriter writer, string? text)
    {
        writer.WriteByte((byte)(text is null ? 0 : 1));
        if (text is not null)
        {
            writer.WriteText(text);
        }
    }

    private static string? ReadOptional(ref RowReader reader) => reader.ReadByte() == 0 ? null : reader.ReadText();

    private static void Write(RowWriter writer, ImmutableArray<string> texts)
    {
        writer.WriteVarint(texts.Length);
        foreach (var text in texts)
        {
            writer.WriteText(text);
        }
    }

    private static ImmutableArray<string> ReadTexts(ref RowReader reader)
    {
        var texts = new string[reader.ReadVarint()];
        for (var index = 0; index < texts.Length; index++)
        {
            texts[index] = reader.ReadText();
        }

        return [.. texts];
    }
}
