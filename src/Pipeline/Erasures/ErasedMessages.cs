using System.Globalization;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>Which messages belong to erased persons.</summary>
internal static class ErasedMessages
{
    /// <summary>Whether a message is about an erased contact, or lies in the lane of an erased person.</summary>
    public static bool AreErased(ErasedSet erased, int connection, OutboxEntry entry) =>
        erased.Any(connection)
        && entry.Barrier is null
        && (entry.IsErased
            || erased.IsMuted(connection, LaneName(entry.Lane))
            || (MessageFields.ContactOf(entry.Message) is { } id && erased.IsMuted(connection, id))
            || (MessageFields.GivenUpBy(entry.Message) is { } previous && erased.IsMuted(connection, previous)));

    /// <summary>How a lane is called among the erased ids; no distinct id has a NUL.</summary>
    public static string LaneName(ulong lane) => string.Create(CultureInfo.InvariantCulture, $"\0lane:{lane:x16}");
}
