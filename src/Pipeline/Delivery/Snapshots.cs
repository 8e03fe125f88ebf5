using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// When a waiting snapshot need not be sent: a later one of the same contact or account says everything that it says. Page
/// views, screens and actions always have something of their own to say, and so has an alias.
/// </summary>
internal static class Snapshots
{
    private static readonly string[] Keys = ["userId", "anonymousId", "groupId"];

    /// <summary>Whether <paramref name="kind"/> tells a state, so that only the newest one counts.</summary>
    public static bool IsSnapshot(MessageKind kind) => kind is MessageKind.Identify or MessageKind.Group;

    /// <summary>Whose state a message tells, as a hash that is not to be turned round; null if it tells none.</summary>
    public static long? EntityOf(OutboundMessage message) => message.Kind switch
    {
        MessageKind.Identify when MessageFields.ContactOf(message) is { } id => Hash(message.Kind, id),
        MessageKind.Group when MessageFields.GroupOf(message) is { } id => Hash(message.Kind, id),
        _ => null,
    };

    /// <summary>What is left of an older state of an entity once a newer one is known.</summary>
    /// <returns>Null if they have nothing in common; else whether the newer one says everything that the older one says.
    /// </returns>
    public static bool? Overtakes(OutboundMessage newer, OutboundMessage older)
    {
        using var says = JsonDocument.Parse(newer.Body);
        using var said = JsonDocument.Parse(older.Body);
        return Covers(says.RootElement, said.RootElement) ? true
            : HaveCommonTrait(says.RootElement, said.RootElement) ? false
            : null;
    }

    /// <summary>
    /// Whether one of <paramref name="later"/> makes <paramref name="older"/> superfluous: of the same entity, and with every
    /// trait that it has, of which the receiver keeps the last value. An alias in between changes who is meant, so nothing
    /// behind it counts.
    /// </summary>
    public static bool IsSuperseded(OutboxEntry older, IEnumerable<OutboxEntry> later)
    {
        if (older.Barrier is not null || !IsSnapshot(older.Message.Kind))
        {
            return false;
        }

        JsonDocument? body = null;
        try
        {
            foreach (var entry in later)
            {
                if (entry.Message.Kind == MessageKind.Alias)
                {
                    return false;
                }

                if (entry.Message.Kind == older.Message.Kind)
                {
                    body ??= JsonDocument.Parse(older.Message.Body);
                    using var newer = JsonDocument.Parse(entry.Message.Body);
                    if (Covers(newer.RootElement, body.RootElement))
                    {
                        return true;
                    }
                }
            }

            return false;
        }
        finally
        {
            body?.Dispose();
        }
    }

    private static bool Covers(JsonElement newer, JsonElement older) =>
        Array.TrueForAll(Keys, key => IsSame(newer, older, key))
        && (!older.TryGetProperty("traits", out var said)
            || (newer.TryGetProperty("traits", out var says) && CoversValue(says, said)));

    private static bool HaveCommonTrait(JsonElement newer, JsonElement older) =>
        newer.TryGetProperty("traits", out var says)
        && older.TryGetProperty("traits", out var said)
        && says.ValueKind == JsonValueKind.Object
        && said.ValueKind == JsonValueKind.Object
        && said.EnumerateObject().Any(trait => says.TryGetProperty(trait.Name, out _));

    private static long Hash(MessageKind kind, string id) =>
        unchecked((long)XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(id), (long)kind));

    private static bool IsSame(JsonElement newer, JsonElement older, string key) =>
        newer.TryGetProperty(key, out var one) == older.TryGetProperty(key, out var other)
        && (one.ValueKind == JsonValueKind.Undefined || JsonElement.DeepEquals(one, other));

    /// <summary>Objects may be merged by the receiver name by name; any other value is replaced as a whole.</summary>
    private static bool CoversValue(JsonElement newer, JsonElement older) =>
        older.ValueKind != JsonValueKind.Object
        || (newer.ValueKind == JsonValueKind.Object && older.EnumerateObject().All(
            trait => newer.TryGetProperty(trait.Name, out var value) && CoversValue(value, trait.Value)));
}
