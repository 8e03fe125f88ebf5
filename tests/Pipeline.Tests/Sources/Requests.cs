using System.IO.Compression;
using System.Text;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Tests.Sources;

/// <summary>Requests as senders make them.</summary>
internal static class Requests
{
    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static SourcesOptions Limits() => new()
    {
        BodyBytesMax = 20 << 20,
        EventBodyBytesMax = 2 << 20,
        InflatedBytesMax = 100 << 20,
        EventBytesMax = 1_000_000,
        JsonDepthMax = 64,
        EventsMax = 10_000,
        WebhookBodyBytesMax = 2 << 20,
        RetryAfter = TimeSpan.FromSeconds(1),
    };

    public static CaptureRequest Request(byte[] body, CapturePath path = CapturePath.Batch) => new(path, body, Now);

    public static CaptureRequest Request(string json, CapturePath path = CapturePath.Batch) =>
        Request(Encoding.UTF8.GetBytes(json), path);

    public static CaptureDecoding Decode(CaptureRequest request) => CaptureRequestDecoder.Decode(request, Limits());

    public static IReadOnlyList<CaptureEvent> Events(CaptureRequest request) =>
        Decode(request) switch
        {
            CaptureDecoding.Accepted accepted => accepted.Events,
            CaptureDecoding.Refused refused => throw new InvalidOperationException(refused.Refusal.Reason),
            _ => throw new InvalidOperationException(),
        };

    public static CaptureEvent Event(string json, CapturePath path = CapturePath.Events) => Events(Request(json, path)).Single();

    public static Refusal Refused(CaptureRequest request) => ((CaptureDecoding.Refused)Decode(request)).Refusal;

    public static Refusal Refused(string json, CapturePath path = CapturePath.Batch) => Refused(Request(json, path));

    public static byte[] Gzip(byte[] bytes)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return target.ToArray();
    }

    public static byte[] Gzip(string text) => Gzip(Encoding.UTF8.GetBytes(text));

    public static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    public static string JsonOf(CaptureEvent captured) => Encoding.UTF8.GetString(captured.Json.Span);
}
