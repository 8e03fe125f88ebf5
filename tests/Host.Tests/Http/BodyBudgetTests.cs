using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace VarianceActors.Host.Tests.Http;

/// <summary>Memory stays flat however many senders there are.</summary>
public sealed class BodyBudgetTests
{
    private const string Event = """{"event":"e","distinct_id":"d","token":"phc_public"}""";
    private const int BudgetBytes = 1 << 20;

    [Fact]
    public async Task A_full_budget_is_answered_with_503_until_there_is_room_again()
    {
        await using var host = await DoorsHost.StartAsync(bodiesBytesMax: BudgetBytes);
        using (var waiting = await BeginAsync(host, $"Content-Length: {BudgetBytes - 10}"))
        {
            foreach (var isChunked in new[] { false, true })
            {
                using var answer = await PostAsync(host, Event, isChunked);
                Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
                Assert.Equal(TimeSpan.FromSeconds(2), answer.Headers.RetryAfter!.Delta);
            }
        }

        // The server notices in its own time that the sender has gone.
        await UntilAsync(async () => (await PostAsync(host, Event, isChunked: false)).StatusCode == HttpStatusCode.OK);
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

        using var waiting = await BeginAsync(host, "Content-Length: 10");
        using var refused = await PostAsync(host, large, isChunked);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        using var small = await PostAsync(host, Event, isChunked);
        Assert.Equal(HttpStatusCode.OK, small.StatusCode);
    }

    /// <summary>A request whose body does not come; it is being read when this returns.</summary>
    private static async Task<TcpClient> BeginAsync(DoorsHost host, string length)
    {
        var socket = new TcpClient();
        await socket.ConnectAsync(host.Client.BaseAddress!.Host, host.Client.BaseAddress.Port);
        var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /batch/ HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n{length}\r\n\r\n"));
        using var answer = new StreamReader(stream, leaveOpen: true);
        Assert.Equal("HTTP/1.1 100 Continue", await answer.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        return socket;
    }

    private static async Task<HttpResponseMessage> PostAsync(DoorsHost host, string body, bool isChunked)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/batch/") { Content = new StringContent(body) };
        request.Headers.TransferEncodingChunked = isChunked;
        return await host.Client.SendAsync(request);
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var since = Stopwatch.StartNew();
        while (!await condition())
            Assert.True(since.Elapsed < TimeSpan.FromSeconds(30), "no room came back");
    }
}
