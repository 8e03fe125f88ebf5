namespace VarianceActors.Pipeline.Sources;

/// <summary>Why a request was not taken: final for the sender, and nothing of the request was kept.</summary>
/// <param name="Status">HTTP status: 400 (cannot be read), 401 (no usable token) or 413 (over a limit).</param>
/// <param name="Reason">Plain text that says what to change. Never holds data of the request.</param>
public sealed record Refusal(int Status, string Reason)
{
    internal static readonly Refusal EmptyPayload = new(
        400,
        "The request holds no payload. Send the events as JSON in the body, or in the query parameter data.");

    internal static readonly Refusal FormExpected = new(
        400,
        "The content type is application/x-www-form-urlencoded but the body is no form. "
        + "Send data=<events>, or use the content type application/json.");

    internal static readonly Refusal FormWithoutData = new(
        400,
        "The form has no field data. Send the events in a form field named data.");

    internal static readonly Refusal BadGzip = new(
        400,
        "The payload is not complete, valid gzip. Send it again, or send plain JSON without a gzip hint.");

    internal static readonly Refusal BadLzString = new(
        400,
        "The payload is not valid lz-string base64. Send gzip or plain JSON instead.");

    internal static readonly Refusal BadUtf8 = new(
        400,
        "The payload is not valid UTF-8. Send JSON in UTF-8, plain, as base64 or gzip.");

    internal static readonly Refusal NotEvents = new(
        400,
        "The payload is neither an event, an array of events, nor an object with a batch array.");

    internal static readonly Refusal EmptyBatch = new(400, "The batch is empty. Send at least one event.");

    internal static readonly Refusal BatchNotArray = new(400, "\"batch\" must be an array of events.");

    internal static readonly Refusal BadSentAt = new(400, "\"sent_at\" must be a string, an ISO 8601 time.");

    internal static readonly Refusal BadHistorical = new(400, "\"historical_migration\" must be true or false.");

    internal static readonly Refusal TokenNotString = new(400, "The project token must be a string.");

    internal static readonly Refusal NumberOutOfRange = new(
        400,
        "A number is out of range. Send numbers that fit a double, or send them as strings.");

    internal static readonly Refusal NoToken = new(
        401,
        "The project token is missing. Send it as api_key of the batch, or as token of every event.");

    internal static readonly Refusal MixedTokens = new(
        401,
        "The events name different project tokens. Send one request per project.");

    internal static readonly Refusal EmptyToken = new(
        401,
        "The project token is empty. Send the token of your project.");

    internal static readonly Refusal LongToken = new(401, "The project token is longer than 64 characters.");

    internal static readonly Refusal TokenNotAscii = new(401, "The project token holds characters that are not ASCII.");

    internal static readonly Refusal TokenWithNul = new(401, "The project token holds a NUL character.");

    internal static readonly Refusal PersonalKey = new(
        401,
        "This is a personal API key (phx_). Send the project token; and revoke the key, for it has left its owner.");

    internal static readonly Refusal WebhookNotObject = new(
        400,
        "The body is not a JSON object. Send {\"event\": {event}} as the PostHog webhook destination does.");

    internal static readonly Refusal WebhookWithoutEvent = new(
        400,
        "\"event\" is missing or not an object. Set the webhook's body to {\"event\": \"{event}\"}.");

    /// <summary>413: the body as received is over its limit, in bytes.</summary>
    public static Refusal BodyTooLarge(long bytesMax) => new(
        413,
        $"The body is larger than {bytesMax} bytes. Send fewer events per request.");

    internal static Refusal InflatedTooLarge(long bytesMax) => new(
        413,
        $"The payload inflates to more than {bytesMax} bytes. Send fewer events per request.");

    internal static Refusal LzStringTooLarge(long bytesMax) => new(
        413,
        $"The lz-string payload is larger than {bytesMax} bytes. Send gzip, or fewer events per request.");

    internal static Refusal TooManyEvents(int eventsMax) => new(
        413,
        $"The request holds more than {eventsMax} events. Send fewer events per request.");

    internal static Refusal TooDeep(int depthMax) => new(
        400,
        $"An event is nested deeper than {depthMax} levels. Send flatter properties.");

    internal static Refusal BadJson(long line, long column) => new(
        400,
        $"The payload is not valid JSON (line {line}, byte {column}).");

    internal static Refusal InEvent(int index, string what) => new(400, $"Event {index}: {what}");
}
