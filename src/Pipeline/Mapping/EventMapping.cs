using System.Collections.Frozen;
using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>The mapping of each connection.</summary>
public static class EventMapping
{
    /// <summary>From a connection's id to its mapping.</summary>
    public static Func<string, MapEvent> For(PipelineOptions options)
    {
        var mappings = options.Connections.ToFrozenDictionary(connection => connection.Key, connection => Of(connection.Value));
        return connectionId => mappings[connectionId];
    }

    /// <summary>From a connection's id to the mapping of its accounts.</summary>
    public static Func<string, MapAccount> ForAccounts(PipelineOptions options)
    {
        var mappings = options.Connections.ToFrozenDictionary(
            connection => connection.Key,
            connection => AccountsOf(connection.Value));
        return connectionId => mappings[connectionId];
    }

    private static MapEvent Of(ConnectionOptions connection)
    {
        if (connection.Mapping == MappingKind.Plugin)
        {
            return (captured, _, _) => Decide(PluginMapping.Map(captured));
        }

        var options = OptionsOf(connection);
        return (captured, person, change) =>
            Decide(ContactsMapping.Map(captured, person, change, AccountOf(person), options));
    }

    private static MapAccount AccountsOf(ConnectionOptions connection)
    {
        if (connection.Mapping == MappingKind.Plugin)
        {
            return (_, _) => [];
        }

        var options = OptionsOf(connection);
        return (account, after) => AccountMapping.Map(account, after, options);
    }

    private static MappingOptions OptionsOf(ConnectionOptions connection) => new()
    {
        EventsAllowed = [.. connection.Filters.EventsAllowed],
        EventsDenied = [.. connection.Filters.EventsDenied],
        PropertiesNeverSent = [.. connection.Filters.PropertiesNeverSent],
        GroupType = connection.GroupType,
        AccountsSpeak = true,
        StageChangeEvents = connection.Stages.ChangeEvents,
    };

    private static AccountSnapshot? AccountOf(PersonSnapshot? person) => person?.Contact?.Account is { } link
        ? new AccountSnapshot(
            person.Contact.Into ?? link.Key,
            person.Account?.Name,
            null,
            [],
            ImmutableDictionary<string, JsonValue>.Empty)
        : null;

    private static MappedEvent Decide(MappingOutcome outcome) => outcome.Messages.IsEmpty
        ? new MappedEvent(LedgerDecision.Filtered, outcome.Reason, [])
        : new MappedEvent(LedgerDecision.Queued, "", outcome.Messages);
}
