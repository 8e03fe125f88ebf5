using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Sources;

/// <summary>Limits of the doors: the block <c>variance.sources</c>.</summary>
public sealed class SourcesOptions
{
    /// <summary>Bytes of a capture request's body as it is sent.</summary>
    [Range(1_024, 1_073_741_824)]
    public int BodyBytesMax { get; set; }

    /// <summary>Bytes of a body sent to an endpoint for single events.</summary>
    [Range(1_024, 1_073_741_824)]
    public int EventBodyBytesMax { get; set; }

    /// <summary>Bytes of a webhook body.</summary>
    [Range(1_024, 1_073_741_824)]
    public int WebhookBodyBytesMax { get; set; }

    /// <summary>
    /// Bytes of the bodies, as they are sent, that all requests of a node hold together; a request beyond it is
    /// answered 503.
    /// </summary>
    [Range(1_024, 1_073_741_824)]
    public int BodiesBytesMax { get; set; }

    /// <summary>Bytes of a body once inflated.</summary>
    [Range(1_024, 1_073_741_824)]
    public int InflatedBytesMax { get; set; }

    /// <summary>Bytes of one event's JSON.</summary>
    [Range(1_024, 67_108_864)]
    public int EventBytesMax { get; set; }

    /// <summary>Levels of nesting in an event's JSON.</summary>
    [Range(4, 64)]
    public int JsonDepthMax { get; set; }

    /// <summary>Events of one request.</summary>
    [Range(1, 1_000_000)]
    public int EventsMax { get; set; }

    /// <summary>What a 503 answer's <c>Retry-After</c> says; sent in whole seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan RetryAfter { get; set; }
}
