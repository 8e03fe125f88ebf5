using System.Diagnostics;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Http;

/// <summary>Memory stays flat however many senders there are.</summary>
[Collection(nameof(MemoryMeasured))]
public sealed class BodyBudgetTests(ITestOutputHelper output)
{
    private const string Event = """{"event":"e","distinct_id":"d","token":"phc_public"}""";
    private const int BudgetBytes = 1 << 20;

    [Fact]
    public async Task Many_inflating_requests_at_once_take_the_memory_of_a_few()
    {
        const int Inflated = 99_000_000;
        var requests = 12 * Environment.ProcessorCount;
        await using var host = await DoorsHost.StartAsync();
        var body = Gzip(Inflated);
        using var done = new CancellationTokenSource();
        var heldBefore = GC.GetTotalMemory(forceFullCollection: true);
        var before = Resident();
        var peak = PeakAsync(done.Token);
        var answers = await Task.WhenAll(Enumerable.Range(0, requests).Select(async _ =>
        {
            using var answer = await host.Client.PostAsync("/batch/", new ByteArrayContent(body));
            return answer.StatusCode;
        }));
        await done.CancelAsync();

        var growth = await peak - before;
        output.WriteLine($"{requests} bodies of {body.Length} bytes: {growth >> 20} MiB");
        Assert.All(answers, status => Assert.Equal(HttpStatusCode.OK, status));

        // Generous: the collector lets some of what is done with lie about for a while.
        Assert.InRange(growth, 0, (long)Inflated * requests / 2);
        Assert.Equal(requests * Event.Length, host.Stored.Sum(stored => stored.Event.Json.Length));
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true), 0, heldBefore + Inflated);
    }

    [Fact]
    public async Task A_full_budget_is_answered_with_503_until_there_is_room_again()
    {
        await using var host = await DoorsHost.StartAsync(bodiesBytesMax: BudgetBytes);
        using (var announcing = await BeginAsync(host, BudgetBytes, sent: 0))
        {
            using var taken = await PostAsync(host, Event, isChunked: false);
            Assert.Equal(HttpStatusCode.OK, taken.StatusCode); // only what has arrived counts
        }

        using (var waiting = await BeginAsync(host, BudgetBytes, sent: BudgetBytes - 10))
        {
            foreach (var isChunked in new[] { false, true })
            {
                using var answer = await PostAsync(host, Event, isChunked);
                Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
                Assert.Equal(TimeSpan.FromSeconds(2), answer.Headers.RetryAfter!.Delta);
            }
        }

        await UntilHeldAsync(host, 0); // the server notices in its own time that the sender has gone
        using var again = await PostAsync(host, Event, isChunked: false);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_body_larger_than_the_budget_is_taken_while_there_is_no_other(bool isChunked)
    {
        await using var host = await DoorsHost.StartAsync(bodiesBytesMax: BudgetBytes);
        var large = new string(' ', 2 * BudgetBytes) + Event;
        for (var time = 0; time < 3; time++)
        {
            using var answer = await PostAsync(host, large, isChunked);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        using var waiting = await BeginAsync(host, length: 10, sent: 5);
        using var refused = await PostAsync(host, large, isChunked);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        using var small = await PostAsync(host, Event, isChunked);
        Assert.Equal(HttpStatusCode.OK, small.StatusCode);
    }

    /// <summary>A request whose body comes only in part; that part is held when this returns.</summary>
    private static async Task<TcpClient> BeginAsync(DoorsHost host, int length, int sent)
    {
        var socket = new TcpClient();
        await socket.ConnectAsync(host.Client.BaseAddress!.Host, host.Client.BaseAddress.Port);
        var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /batch/ HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            + $"Content-Length: {length}\r\n\r\n"));
        using var answer = new StreamReader(stream, leaveOpen: true);
        Assert.Equal("HTTP/1.1 100 Continue", await answer.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        await stream.WriteAsync(Encoding.ASCII.GetBytes(new string(' ', sent)));
        await UntilHeldAsync(host, sent);
        return socket;
    }

    private static async Task<HttpResponseMessage> PostAsync(DoorsHost host, string body, bool isChunked)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/batch/") { Content = new StringContent(body) };
        request.Headers.TransferEncodingChunked = isChunked;
        return await host.Client.SendAsync(request);
    }

    private static async Task UntilHeldAsync(DoorsHost host, long bytes)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (host.HeldBytes != bytes)
            await tick.WaitForNextTickAsync(patience.Token);
    }

    private static Task<long> PeakAsync(CancellationToken done) => Task.Run(
        async () =>
        {
            var peak = Resident();
            using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (!done.IsCancellationRequested && await tick.WaitForNextTickAsync(CancellationToken.None))
                peak = Math.Max(peak, Resident());
            return peak;
        },
        CancellationToken.None);

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    /// <summary>An event after so many spaces.</summary>
    private static byte[] Gzip(int spaces)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Optimal))
        {
            var block = Encoding.ASCII.GetBytes(new string(' ', 100_000));
            for (var written = 0; written < spaces; written += block.Length)
                gzip.Write(block);
            gzip.Write(Encoding.UTF8.GetBytes(Event));
        }

        return target.ToArray();
    }
}
