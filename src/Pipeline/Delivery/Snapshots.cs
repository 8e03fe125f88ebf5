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
    /// <summary>What a snapshot names its entity by.</summary>
    public static readonly string[] Keys = ["userId", "anonymousId", "groupId"];

    /// <summary>Whether <paramref name="kind"/> tells a state, so that only the newest one counts.</summary>
    public static bool IsSnapshot(MessageKind kind) => kind is MessageKind.Identify or MessageKind.Group;

    /// <summary>Whose state a message tells, as a hash that is not to be turned round; null if it tells none.</summary>
    public static long? EntityOf(OutboundMessage message) => message.Kind switch
    {
        MessageKind.Identify when MessageFields.ContactOf(message) is { } id => unchecked((long)Hash($"contact:{id}")),
        MessageKind.Group when MessageFields.GroupOf(message) is { } id => unchecked((long)Hash($"account:{id}")),
        _ => null,
    };

    /// <summary>What a message says of its entity: hashes of names, each with the hash of its value. Objects may be merged by the
    /// receiver name by name, so each name in them counts. That a contact belongs to an account is said of the account under the
    /// contact's name.</summary>
    public static IEnumerable<KeyValuePair<ulong, ulong>> Says(OutboundMessage message)
    {
        using var body = message.ReadBody();
        var says = new List<KeyValuePair<ulong, ulong>>();
        if (message.Kind == MessageKind.Group && MessageFields.ContactOf(message) is { } member)
        {
            says.Add(new(Hash($"member:{member}"), 0));
        }

        if (body.RootElement.TryGetProperty("traits", out var traits) && traits.ValueKind == JsonValueKind.Object)
        {
            foreach (var trait in traits.EnumerateObject())
            {
                Say(Hash($"trait:{trait.Name}"), trait.Value, says);
            }
        }

        return says;
    }

    private static void Say(ulong path, JsonElement value, List<KeyValuePair<ulong, ulong>> says)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            says.Add(new(path, Hash(value.GetRawText())));
            return;
        }

        says.Add(new(path, Hash("an object")));
        foreach (var trait in value.EnumerateObject())
        {
            Say(Hash($"{path} {trait.Name}"), trait.Value, says);
        }
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
                    body ??= older.Message.ReadBody();
                    using var newer = entry.Message.ReadBody();
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

    private static ulong Hash(string text) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(text));

    private static bool IsSame(JsonElement newer, JsonElement older, string key) =>
        newer.TryGetProperty(key, out var one) == older.TryGetProperty(key, out var other)
        && (one.ValueKind == JsonValueKind.Undefined || JsonElement.DeepEquals(one, other));

    /// <summary>Objects may be merged by the receiver name by name; any other value is replaced as a whole.</summary>
    private static bool CoversValue(JsonElement newer, JsonElement older) =>
        older.ValueKind != JsonValueKind.Object
        || (newer.ValueKind == JsonValueKind.Object && older.EnumerateObject().All(
            trait => newer.TryGetProperty(trait.Name, out var value) && CoversValue(value, trait.Value)));
}
