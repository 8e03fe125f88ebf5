using System.Collections.Frozen;
using VarianceActors.Pipeline.Outbox;

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

    private static MapEvent Of(ConnectionOptions connection)
    {
        if (connection.Mapping == MappingKind.Plugin)
        {
            return (captured, _, _) => Decide(PluginMapping.Map(captured));
        }

        var options = new MappingOptions
        {
            EventsAllowed = [.. connection.Filters.EventsAllowed],
            EventsDenied = [.. connection.Filters.EventsDenied],
            PropertiesNeverSent = [.. connection.Filters.PropertiesNeverSent],
            GroupType = connection.GroupType,
        };
        return (captured, person, change) => Decide(ContactsMapping.Map(captured, person, change, account: null, options));
    }

    private static MappedEvent Decide(MappingOutcome outcome) => outcome.Messages.IsEmpty
        ? new MappedEvent(LedgerDecision.Filtered, outcome.Reason, [])
        : new MappedEvent(LedgerDecision.Queued, "", outcome.Messages);
}
