namespace VarianceActors.Pipeline.Sources;

/// <summary>Through which door an event came. The door decides how its JSON is to be read: see <see cref="CaptureEvent.Json"/>.</summary>
public enum Door : byte
{
    /// <summary>PostHog's v0 capture protocol, as SDKs speak it.</summary>
    Capture = 1,

    /// <summary>PostHog's HTTP webhook destination: events that PostHog has already processed.</summary>
    Webhook = 2,
}

/// <summary>What the sender left out or got wrong, and what was done about it.</summary>
[Flags]
public enum CaptureNotes : byte
{
    /// <summary>Nothing to say.</summary>
    None = 0,

    /// <summary>The sender gave no uuid; <see cref="CaptureEvent.Uuid"/> was made here (UUIDv7).</summary>
    UuidMade = 1,

    /// <summary>The sender gave no timestamp; <see cref="CaptureEvent.Timestamp"/> is the time of receipt.</summary>
    TimestampMade = 2,

    /// <summary>The sender's timestamp could not be read (warning <c>ignored_invalid_timestamp</c>).</summary>
    TimestampInvalid = 4,

    /// <summary>The distinct id was cut to 200 Unicode scalars (warning <c>distinct_id_truncated</c>).</summary>
    DistinctIdTruncated = 8,

    /// <summary>The webhook event has no usable distinct id: it can be forwarded but belongs to no person.</summary>
    NoDistinctId = 16,

    /// <summary>The request said <c>historical_migration: true</c>: the event belongs to the backfill lane.</summary>
    Historical = 32,

    /// <summary>
    /// The event is over <see cref="SourcesOptions.EventBytesMax"/>: it is kept without its content, so that its
    /// neighbours are kept and the ledger can say what became of it (warning <c>message_size_too_large</c>).
    /// </summary>
    TooLarge = 64,

    /// <summary>An <c>$identify</c> whose other id belongs to an erased person and was taken out: it merges nobody, but says who
    /// its own id is. Noted when the event is read, never kept.</summary>
    OtherIdErased = 128,
}

/// <summary>One PostHog event after decoding and normalising: the only shape the pipeline knows.</summary>
/// <param name="Uuid">The event's uuid; identity of the event, and the key that makes repeats recognisable.</param>
/// <param name="Event">The event's name, such as <c>$pageview</c>; never longer than the request that carried it;
/// cut to 200 characters, or empty, if the event is <see cref="CaptureNotes.TooLarge"/>.</param>
/// <param name="DistinctId">Normalised as PostHog does (posthog.md A10); empty exactly when <see cref="CaptureNotes.NoDistinctId"/> is set.</param>
/// <param name="Timestamp">When it happened, after skew correction (posthog.md C4).</param>
/// <param name="ReceivedAt">When the door took it.</param>
/// <param name="Door">The door it came through.</param>
/// <param name="Notes">What was made up or altered.</param>
/// <param name="Fingerprint">Hash of name, distinct id, properties, <c>$set</c> and <c>$set_once</c> as received: two events with
/// one uuid are repeats of each other only if this is equal too.</param>
/// <param name="Json">The event's own JSON object, UTF-8, as received. For <see cref="Door.Capture"/> the header fields above are
/// authoritative for uuid, name, distinct id and timestamp; for <see cref="Door.Webhook"/> the JSON has them as PostHog wrote them.
/// Valid JSON without lone surrogates, at most 64 levels deep; an empty object if the event is
/// <see cref="CaptureNotes.TooLarge"/>.</param>
public sealed record CaptureEvent(
    Guid Uuid,
    string Event,
    string DistinctId,
    DateTimeOffset Timestamp,
    DateTimeOffset ReceivedAt,
    Door Door,
    CaptureNotes Notes,
    ulong Fingerprint,
    ReadOnlyMemory<byte> Json);
