using System.Diagnostics;
using System.Globalization;
using System.Text;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Benchmarks.Processes;

/// <summary>The least that posting can cost: a loop over an <see cref="HttpClient"/> with bodies that are mapped before.</summary>
internal sealed class Poster
{
    private static readonly byte[] Mark = Encoding.ASCII.GetBytes(Traffic.UuidPrefix);
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });
    private readonly List<(byte[] Body, int At)> _bodies = [.. Bodies()];

    /// <summary><c>post url first count in-flight</c>.</summary>
    public async Task<string> ObeyAsync(string[] words)
    {
        var url = new Uri(words[1]);
        var first = long.Parse(words[2], CultureInfo.InvariantCulture);
        var began = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, int.Parse(words[3], CultureInfo.InvariantCulture)),
            new ParallelOptions { MaxDegreeOfParallelism = int.Parse(words[4], CultureInfo.InvariantCulture) },
            async (place, cancellationToken) =>
            {
                using var content = new ByteArrayContent(BodyOf(first + place));
                content.Headers.ContentType = new("application/json");
                using var answer = await _http.PostAsync(url, content, cancellationToken);
                answer.EnsureSuccessStatusCode();
            });
        return string.Create(CultureInfo.InvariantCulture, $"posted {began} {Stopwatch.GetTimestamp()}");
    }

    private byte[] BodyOf(long number)
    {
        var (body, at) = _bodies[(int)(number % _bodies.Count)];
        body = body.AsSpan().ToArray();
        number.TryFormat(body.AsSpan(at, 12), out _, "x12", CultureInfo.InvariantCulture);
        return body;
    }

    private static IEnumerable<(byte[] Body, int At)> Bodies()
    {
        const int perRequest = 100;
        var traffic = Traffic.Of("mixed", BenchmarkHost.Token, perRequest, 20_000);
        for (var first = 0; first < 400; first += perRequest)
        {
            var request = new CaptureRequest(CapturePath.Batch, traffic.Request(first), TimeProvider.System.GetUtcNow());
            foreach (var captured in ((CaptureDecoding.Accepted)CaptureRequestDecoder.Decode(request, MappingMeasure.Limits)).Events)
            {
                var body = PluginMapping.Map(captured).Messages.Single().Body.ToArray();
                yield return (body, body.AsSpan().IndexOf(Mark) + Mark.Length);
            }
        }
    }
}
