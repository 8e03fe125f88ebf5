using System.Text.Json;
using VarianceActors.Host.Demo;

namespace VarianceActors.Host.Tests.Identity;

/// <summary>What Variance holds after the calls it took: contacts by user id and accounts by group id, each with what was
/// written last. A call with a user id makes a contact; a call without one makes none.</summary>
internal sealed class VarianceModel
{
    private readonly Dictionary<string, SortedDictionary<string, string>> _contacts = [];
    private readonly Dictionary<string, SortedDictionary<string, string>> _accounts = [];

    /// <summary>Traits as JSON text by name, by user id.</summary>
    public IReadOnlyDictionary<string, SortedDictionary<string, string>> Contacts => _contacts;

    /// <summary>Traits as JSON text by name, by group id.</summary>
    public IReadOnlyDictionary<string, SortedDictionary<string, string>> Accounts => _accounts;

    /// <summary>A Variance that took what was answered 2xx, in the order of arrival, duplicates and all.</summary>
    public static VarianceModel Of(IEnumerable<ReceivedMessage> received)
    {
        var model = new VarianceModel();
        foreach (var message in received.Where(message => message.Status is >= 200 and < 300)
            .OrderBy(message => message.Sequence))
        {
            model.Take(message);
        }

        return model;
    }

    private void Take(ReceivedMessage message)
    {
        var userId = Text(message.Body, "userId");
        if (message.Type == "alias")
        {
            Alias(Text(message.Body, "previousId")!, userId!);
        }

        if (message.Type == "group")
        {
            Write(Of(_accounts, Text(message.Body, "groupId")!), message.Body);
        }

        if (userId is null)
        {
            return;
        }

        var contact = Of(_contacts, userId);
        if (message.Type == "identify")
        {
            Write(contact, message.Body);
        }
    }

    // If both exist, the previous one is merged into the other; if only the previous one exists, it is renamed.
    private void Alias(string previousId, string userId)
    {
        if (!_contacts.Remove(previousId, out var previous))
        {
            return;
        }

        var contact = Of(_contacts, userId);
        foreach (var (name, value) in previous)
        {
            contact.TryAdd(name, value);
        }
    }

    private static void Write(SortedDictionary<string, string> traits, JsonElement body)
    {
        foreach (var trait in body.GetProperty("traits").EnumerateObject())
        {
            traits[trait.Name] = trait.Value.GetRawText();
            if (trait.Value.ValueKind == JsonValueKind.Null)
            {
                traits.Remove(trait.Name);
            }
        }
    }

    private static SortedDictionary<string, string> Of(
        Dictionary<string, SortedDictionary<string, string>> all, string id)
    {
        if (!all.TryGetValue(id, out var traits))
        {
            all[id] = traits = new SortedDictionary<string, string>(StringComparer.Ordinal);
        }

        return traits;
    }

    private static string? Text(JsonElement body, string name) =>
        body.TryGetProperty(name, out var value) ? value.GetString() : null;
}
