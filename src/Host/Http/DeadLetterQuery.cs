using System.ComponentModel;
using Microsoft.AspNetCore.Mvc;

namespace VarianceActors.Host.Http;

/// <summary>The parameters of the list of dead letters.</summary>
internal sealed record DeadLetterQuery(
    [property: FromQuery(Name = "state"), Description("dead (the default), replaying, delivered, discarded, superseded or any")]
    string? State,
    [property: FromQuery(Name = "reason"), Description("Why it is a dead letter, such as status-400")]
    string? Reason,
    [property: FromQuery(Name = "status"), Description("The status of the last answer")]
    int? Status,
    [property: FromQuery(Name = "type"), Description("alias, identify, group, page, screen or track")]
    string? Type,
    [property: FromQuery(Name = "event"), Description("The name of a track call")]
    string? Event,
    [property: FromQuery(Name = "message_id"), Description("The message id")]
    string? MessageId,
    [property: FromQuery(Name = "uuid"), Description("The event")]
    Guid? Uuid,
    [property: FromQuery(Name = "distinct_id"), Description("Any id of the person")]
    string? DistinctId,
    [property: FromQuery(Name = "since"), Description("The last attempt was at this time or later, ISO 8601")]
    DateTimeOffset? Since,
    [property: FromQuery(Name = "until"), Description("The last attempt was before this time, ISO 8601")]
    DateTimeOffset? Until,
    [property: FromQuery(Name = "after"), Description("The next of the page before")]
    long? After,
    [property: FromQuery(Name = "limit"), Description("Letters of the page, 1 to 1000; 100 unless given")]
    int? Limit)
{
    public DeadLetterCriteria ToCriteria() =>
        new(Reason, Status, Type, Event, MessageId, Uuid, DistinctId, Since, Until);
}
