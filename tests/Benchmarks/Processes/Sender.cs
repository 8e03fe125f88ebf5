using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;

namespace VarianceActors.Benchmarks.Processes;

/// <summary>What is sent.</summary>
/// <param name="Urls">Where to: the requests go to them in turn.</param>
/// <param name="Traffic">The kind of traffic.</param>
/// <param name="First">The number of the first event.</param>
/// <param name="Count">How many events.</param>
/// <param name="PerRequest">Events of one request.</param>
/// <param name="Clients">Requests at once.</param>
/// <param name="PerSecond">Events a second; 0 for as many as are taken.</param>
/// <param name="Persons">From how many persons.</param>
internal sealed record Load(
    IReadOnlyList<Uri> Urls, string Traffic, long First, int Count, int PerRequest, int Clients, double PerSecond, int Persons)
{
    /// <summary>The token that it is sent with.</summary>
    public string Token { get; init; } = BenchmarkHost.Token;

    /// <summary>Whether each event has a message of its own, as it has with the mapping <c>plugin</c>.</summary>
    public bool EachHasMessage { get; init; } = true;

    /// <summary>Whether a message with the uuid of its event must arrive.</summary>
    /// <param name="place">The place of the event in the load.</param>
    public bool MustArrive(int place) => EachHasMessage || !Benchmarks.Traffic.IsAlias(First + place, PerRequest);

    public string ToLine(string file) => string.Create(
        CultureInfo.InvariantCulture,
        $"send {string.Join(',', Urls)} {Traffic} {First} {Count} {PerRequest} {Clients} {PerSecond:R} {Persons} {Token} {file}");

    public static Load Parse(string[] words) => new(
        [.. words[1].Split(',').Select(url => new Uri(url))],
        words[2],
        long.Parse(words[3], CultureInfo.InvariantCulture),
        int.Parse(words[4], CultureInfo.InvariantCulture),
        int.Parse(words[5], CultureInfo.InvariantCulture),
        int.Parse(words[6], CultureInfo.InvariantCulture),
        double.Parse(words[7], CultureInfo.InvariantCulture),
        int.Parse(words[8], CultureInfo.InvariantCulture))
    {
        Token = words[9],
    };
}

/// <summary>Sends requests over HTTP and notes when each was answered 200. What is answered 503 is sent again.</summary>
internal sealed class Sender
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });
    private long _bytes;
    private long _refused;

    /// <summary><c>send ...</c> as <see cref="Load.ToLine"/> has it; the times go into its file.</summary>
    /// <returns><c>sent</c>, the time of the first request, of the last answer, bytes, refusals.</returns>
    public async Task<string> ObeyAsync(string[] words)
    {
        var load = Load.Parse(words);
        var traffic = Traffic.Of(load.Traffic, load.Token, load.PerRequest, load.Persons);
        var accepted = new long[load.Count / load.PerRequest];
        (_bytes, _refused) = (0, 0);
        var began = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, accepted.Length),
            new ParallelOptions { MaxDegreeOfParallelism = load.Clients },
            async (request, cancellationToken) =>
            {
                var first = load.First + ((long)request * load.PerRequest);
                await UntilDueAsync(began, load.PerSecond, (long)request * load.PerRequest, cancellationToken);
                var url = load.Urls[request % load.Urls.Count];
                await SendAsync(new Uri(url, traffic.Path), traffic.Request(first), cancellationToken);
                accepted[request] = Stopwatch.GetTimestamp();
            });
        await File.WriteAllBytesAsync(words[10], MemoryMarshal.AsBytes(accepted.AsSpan()).ToArray());
        return string.Create(CultureInfo.InvariantCulture, $"sent {began} {accepted.Max()} {_bytes} {_refused}");
    }

    private static async Task UntilDueAsync(long began, double perSecond, long before, CancellationToken cancellationToken)
    {
        var due = perSecond > 0 ? TimeSpan.FromSeconds(before / perSecond) - Stopwatch.GetElapsedTime(began) : TimeSpan.Zero;
        if (due > TimeSpan.Zero)
        {
            await Task.Delay(due, TimeProvider.System, cancellationToken);
        }
    }

    private async Task SendAsync(Uri url, byte[] body, CancellationToken cancellationToken)
    {
        Interlocked.Add(ref _bytes, body.Length);
        while (true)
        {
            using var content = new ByteArrayContent(body);
            using var answer = await _http.PostAsync(url, content, cancellationToken);
            if (answer.StatusCode == HttpStatusCode.OK)
            {
                return;
            }

            if (answer.StatusCode != HttpStatusCode.ServiceUnavailable)
            {
                throw new InvalidOperationException(await answer.Content.ReadAsStringAsync(cancellationToken));
            }

            Interlocked.Increment(ref _refused);
            await Task.Delay(Pause, TimeProvider.System, cancellationToken);
        }
    }
}
