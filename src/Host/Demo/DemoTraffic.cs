using System.IO.Compression;
using System.Net.Http.Headers;
using System.Reflection;
using System.Text;
using System.Text.Json;

namespace VarianceActors.Host.Demo;

/// <summary>One recorded request of the bundled traffic.</summary>
/// <param name="Path">The door, such as <c>/e/</c>.</param>
/// <param name="Encoding"><c>plain</c>, <c>gzip</c>, or <c>base64</c> (a form with <c>data=</c>), as SDKs send it.</param>
/// <param name="Body">The body before it is encoded.</param>
/// <param name="Expect">The status that it should be answered.</param>
internal sealed record DemoRequest(string Path, string Encoding, string Body, int Expect)
{
    /// <summary>The request as an SDK sends it.</summary>
    public HttpRequestMessage ToHttp() => new(HttpMethod.Post, new Uri(Path, UriKind.Relative)) { Content = Content() };

    private ByteArrayContent Content() => Encoding switch
    {
        "gzip" => Typed(new ByteArrayContent(Gzip(Body)), "text/plain"),
        "base64" => new FormUrlEncodedContent(
            [KeyValuePair.Create("data", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(Body)))]),
        _ => new StringContent(Body, System.Text.Encoding.UTF8, "application/json"),
    };

    private static ByteArrayContent Typed(ByteArrayContent content, string mediaType)
    {
        content.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
        return content;
    }

    private static byte[] Gzip(string text)
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionLevel.Fastest))
        {
            gzip.Write(System.Text.Encoding.UTF8.GetBytes(text));
        }

        return bytes.ToArray();
    }
}

/// <summary>
/// The bundled traffic of a made-up product: visitors, page views, sign-ups with identify and alias, companies, custom events,
/// repeated requests and malformed ones.
/// </summary>
internal static class DemoTraffic
{
    /// <summary>The project token that the traffic carries.</summary>
    public const string Token = "phc_demo";

    /// <summary>The requests in the order they were made.</summary>
    public static List<DemoRequest> Read()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("demo/traffic.jsonl")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var requests = new List<DemoRequest>();
        while (reader.ReadLine() is { } line)
        {
            requests.Add(Parse(line));
        }

        return requests;
    }

    private static DemoRequest Parse(string line)
    {
        using var json = JsonDocument.Parse(line);
        var root = json.RootElement;
        return new DemoRequest(
            root.GetProperty("path").GetString()!,
            root.GetProperty("encoding").GetString()!,
            root.TryGetProperty("raw", out var raw) ? raw.GetString()! : root.GetProperty("body").GetRawText(),
            root.GetProperty("expect").GetInt32());
    }
}
