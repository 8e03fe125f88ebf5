using System.Collections.Frozen;
using VarianceActors.Pipeline.Inbox;

namespace VarianceActors.Pipeline.Stores;

/// <summary>What the database fixes for its life: how the work is cut, and the number of each connection.</summary>
/// <param name="Partitioning">How events are cut into partitions.</param>
/// <param name="DeliveryPartitions">Into how many slices the messages of a connection are cut.</param>
/// <param name="NumberByConnection">The number of each configured connection, by its id.</param>
/// <param name="ConnectionByNumber">The id of each configured connection, by its number.</param>
public sealed record PipelineLayout(
    Partitioning Partitioning,
    int DeliveryPartitions,
    FrozenDictionary<string, int> NumberByConnection,
    FrozenDictionary<int, string> ConnectionByNumber)
{
    /// <summary>Fixes the layout at the first start and reads it at every other one.</summary>
    /// <param name="database">The database.</param>
    /// <param name="partitions">The configured number of partitions; counts only at the first start.</param>
    /// <param name="deliveryPartitions">The configured number of delivery partitions; counts only at the first start.</param>
    /// <param name="connectionIds">The configured connections.</param>
    public static Task<PipelineLayout> ReadAsync(
        PipelineDatabase database, int partitions, int deliveryPartitions, IEnumerable<string> connectionIds) =>
        database.WriteAsync(session =>
        {
            var fixedPartitions = SettingStatements.Fix(session, "partitions", partitions);
            InboxStatements.AddPartitions(session, fixedPartitions);
            var numbers = connectionIds.Order(StringComparer.Ordinal).ToFrozenDictionary(id => id, id => SettingStatements.NumberOf(session, id));
            return new PipelineLayout(
                new Partitioning(fixedPartitions),
                SettingStatements.Fix(session, "delivery-partitions", deliveryPartitions),
                numbers,
                numbers.ToFrozenDictionary(pair => pair.Value, pair => pair.Key));
        });
}
