using System.Text.Json.Serialization;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>One account of one connection: the identity of an account's entity.</summary>
/// <param name="ConnectionId">The connection, as configured.</param>
/// <param name="Key">What names the account to Variance: a group key, a trait's value, or a registrable domain.</param>
public sealed record AccountId(string ConnectionId, string Key)
{
    // A person may have the same text as its id: the mark keeps entity, lane and uuid apart from that person's.
    private const string Mark = "account\0";

    /// <summary>The lane of everything that the account itself sends.</summary>
    [JsonIgnore]
    public ulong Lane => Hash.Lane;

    /// <summary>Short, safe in paths and column widths, and different for different accounts.</summary>
    [JsonIgnore]
    public string EntityId => Hash.ToString();

    /// <summary>The key of the account's journal.</summary>
    [JsonIgnore]
    public string PersistenceId => PersistenceIdOf(EntityId);

    /// <summary>From which the ids of its messages are made.</summary>
    [JsonIgnore]
    public Guid Uuid => PersonUuid.Of(new PersonId(ConnectionId, Mark + Key));

    private PersonPriority Hash => PersonPriority.Of(ConnectionId, Mark + Key);

    /// <summary>The journal's key for an entity id that came out of <see cref="EntityId"/>.</summary>
    public static string PersistenceIdOf(string entityId) => $"account-{entityId}";
}
