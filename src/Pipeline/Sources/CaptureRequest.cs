namespace VarianceActors.Pipeline.Sources;

/// <summary>The capture paths, as far as they differ in how a request is read (posthog.md C1, C2).</summary>
public enum CapturePath
{
    /// <summary><c>/batch</c>: large bodies.</summary>
    Batch,

    /// <summary><c>/i/v0/e</c>.</summary>
    Events,

    /// <summary><c>/e</c>, <c>/capture</c>, <c>/track</c>: base64 is looked for once more after inflating.</summary>
    LegacyEvents,

    /// <summary><c>/engage</c>: as the legacy paths, and a single event may lack its name.</summary>
    Engage,
}

/// <summary>One capture request, free of HTTP.</summary>
/// <param name="Path">The path it came to.</param>
/// <param name="Body">The body as received; only read during decoding, never kept.</param>
/// <param name="ReceivedAt">When the door took it.</param>
public readonly record struct CaptureRequest(CapturePath Path, ReadOnlyMemory<byte> Body, DateTimeOffset ReceivedAt)
{
    /// <summary>Query parameter <c>data</c>, percent-decoded: the payload of legacy GET requests.</summary>
    public string? Data { get; init; }

    /// <summary>Query parameter <c>compression</c>.</summary>
    public string? Compression { get; init; }

    /// <summary>Query parameter <c>sent_at</c> or <c>_</c>: Unix milliseconds as text.</summary>
    public string? SentAt { get; init; }

    /// <summary>Header <c>Content-Type</c>.</summary>
    public string? ContentType { get; init; }

    /// <summary>Header <c>Content-Encoding</c>.</summary>
    public string? ContentEncoding { get; init; }
}

/// <summary>What a capture request came to: all of its events, or none.</summary>
public abstract record CaptureDecoding
{
    private CaptureDecoding()
    {
    }

    /// <summary>The request is good.</summary>
    /// <param name="Token">The project token, trimmed; whether the project is known is the door's question.</param>
    /// <param name="Events">In the order of the request; empty if it held only <c>$performance_event</c>.</param>
    public sealed record Accepted(string Token, IReadOnlyList<CaptureEvent> Events) : CaptureDecoding;

    /// <summary>The request is bad as a whole.</summary>
    /// <param name="Refusal">Status and reason.</param>
    public sealed record Refused(Refusal Refusal) : CaptureDecoding;
}
