using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using VarianceActors.Pipeline.Inbox;
using Xunit;

namespace VarianceActors.Host.Tests.Http;

public sealed class CaptureDoorTests
{
    private const string Event = """{"event":"e","distinct_id":"d","token":"phc_public"}""";

    [Theory]
    [InlineData("/batch")]
    [InlineData("/batch/")]
    [InlineData("/capture")]
    [InlineData("/capture/")]
    [InlineData("/e")]
    [InlineData("/e/")]
    [InlineData("/i/v0/e")]
    [InlineData("/i/v0/e/")]
    [InlineData("/track/")]
    [InlineData("/engage/")]
    [InlineData("/e/?ip=1&_=1772366400000&ver=1.2")]
    public async Task Every_capture_path_stores_and_answers_as_PostHog_does(string path)
    {
        await using var host = await DoorsHost.StartAsync();
        using var answer = await host.Client.PostAsync(path, new StringContent(Event));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.ToString());
        Assert.Equal("{\"status\":\"Ok\"}", await answer.Content.ReadAsStringAsync());
        var (connectionId, captured) = Assert.Single(host.Stored);
        Assert.Equal(("acme", "e", "d", DoorsHost.Now), (connectionId, captured.Event, captured.DistinctId, captured.ReceivedAt));
    }

    [Fact]
    public async Task A_GET_carries_the_events_in_data()
    {
        await using var host = await DoorsHost.StartAsync();
        var data = Uri.EscapeDataString(Convert.ToBase64String(Encoding.UTF8.GetBytes(Event)));

        Assert.Equal(HttpStatusCode.OK, (await host.Client.GetAsync("/e/?data=" + data)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await host.Client.GetAsync("/e/")).StatusCode);
        Assert.Single(host.Stored);
    }

    [Fact]
    public async Task Sent_at_of_the_query_takes_the_skew_out()
    {
        await using var host = await DoorsHost.StartAsync();
        var body = Event.Replace("{", "{\"timestamp\":\"2026-03-01T11:00:00Z\",");
        await host.Client.PostAsync("/e/?_=" + DoorsHost.Now.AddSeconds(10).ToUnixTimeMilliseconds(), new StringContent(body));
        await host.Client.PostAsync("/e/?sent_at=" + DoorsHost.Now.AddSeconds(20).ToUnixTimeMilliseconds(), new StringContent(body));

        Assert.Equal(["10:59:50", "10:59:40"], host.Stored.Select(stored => stored.Event.Timestamp.ToString("HH:mm:ss")));
    }

    [Fact]
    public async Task A_beacon_is_answered_with_204_but_a_refused_beacon_is_not()
    {
        await using var host = await DoorsHost.StartAsync();

        Assert.Equal(HttpStatusCode.NoContent, (await host.Client.PostAsync("/e/?beacon=1", new StringContent(Event))).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await host.Client.PostAsync("/e/?beacon=1", new StringContent("x"))).StatusCode);
    }

    [Fact]
    public async Task Gzip_is_read_with_and_without_its_header()
    {
        await using var host = await DoorsHost.StartAsync();
        foreach (var encoding in new[] { null, "gzip" })
        {
            var content = new ByteArrayContent(Gzip(Encoding.UTF8.GetBytes(Event)));
            content.Headers.ContentType = new MediaTypeHeaderValue("text/plain");
            if (encoding is not null)
                content.Headers.ContentEncoding.Add(encoding);
            Assert.Equal(HttpStatusCode.OK, (await host.Client.PostAsync("/e/", content)).StatusCode);
        }

        Assert.Equal(2, host.Stored.Count);
    }

    [Theory]
    [InlineData("{", HttpStatusCode.BadRequest, "The payload is not valid JSON (line 1, byte 2).")]
    [InlineData("""{"event":"e","distinct_id":"d"}""", HttpStatusCode.Unauthorized, "The project token is missing. Send it as api_key of the batch, or as token of every event.")]
    [InlineData("""{"event":"e","distinct_id":"d","token":"nobody"}""", HttpStatusCode.Unauthorized, "The project token belongs to no connection here. Use the token that is configured for the connection.")]
    public async Task A_refusal_says_why_in_plain_text_and_stores_nothing(string body, HttpStatusCode status, string reason)
    {
        await using var host = await DoorsHost.StartAsync();
        using var answer = await host.Client.PostAsync("/batch/", new StringContent(body));

        Assert.Equal(status, answer.StatusCode);
        Assert.Equal("text/plain", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal(reason, await answer.Content.ReadAsStringAsync());
        Assert.Empty(host.Stored);
    }

    [Fact]
    public async Task A_request_left_empty_is_answered_with_200_without_storing()
    {
        await using var host = await DoorsHost.StartAsync(AppendOutcome.Unavailable);
        var body = """{"event":"$performance_event","distinct_id":"d","token":"phc_public"}""";

        Assert.Equal(HttpStatusCode.OK, (await host.Client.PostAsync("/e/", new StringContent(body))).StatusCode);
    }

    [Theory]
    [InlineData(AppendOutcome.Full)]
    [InlineData(AppendOutcome.Unavailable)]
    public async Task What_is_not_on_disk_is_asked_for_again(AppendOutcome outcome)
    {
        await using var host = await DoorsHost.StartAsync(outcome);
        using var answer = await host.Client.PostAsync("/e/?beacon=1", new StringContent(Event));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(2), answer.Headers.RetryAfter!.Delta);
    }

    [Theory]
    [InlineData("/e/", 2)]
    [InlineData("/batch/", 20)]
    public async Task A_body_over_the_limit_is_refused_with_or_without_a_length(string path, int mebibytes)
    {
        await using var host = await DoorsHost.StartAsync();
        foreach (var isChunked in new[] { false, true })
        {
            var body = new ByteArrayContent(new byte[(mebibytes << 20) + 1]);
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = body };
            request.Headers.TransferEncodingChunked = isChunked;
            request.Headers.Add("Origin", "https://shop.example");
            using var answer = await host.Client.SendAsync(request);

            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
            Assert.Equal(
                $"The body is larger than {mebibytes << 20} bytes. Send fewer events per request.",
                await answer.Content.ReadAsStringAsync());
            Assert.Equal("https://shop.example", answer.Headers.GetValues("Access-Control-Allow-Origin").Single());
        }
    }

    [Fact]
    public async Task A_body_that_never_ends_is_refused_at_the_limit()
    {
        await using var host = await DoorsHost.StartAsync();
        using var socket = new TcpClient();
        await socket.ConnectAsync(host.Client.BaseAddress!.Host, host.Client.BaseAddress.Port);
        var stream = socket.GetStream();
        var size = (2 << 20) + 1;
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /e/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n"));
        await stream.WriteAsync(new byte[size]);

        using var answer = new StreamReader(stream);
        Assert.Equal("HTTP/1.1 413 Payload Too Large", await answer.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task A_body_of_exactly_the_limit_is_taken()
    {
        await using var host = await DoorsHost.StartAsync();
        foreach (var isChunked in new[] { false, true })
        {
            var body = new string(' ', (20 << 20) - Event.Length) + Event;
            using var request = new HttpRequestMessage(HttpMethod.Post, "/batch/") { Content = new StringContent(body) };
            request.Headers.TransferEncodingChunked = isChunked;
            Assert.Equal(HttpStatusCode.OK, (await host.Client.SendAsync(request)).StatusCode);
        }
    }

    [Theory]
    [InlineData("/e/", Event, HttpStatusCode.OK)]
    [InlineData("/e/", "{", HttpStatusCode.BadRequest)]
    [InlineData("/batch/", "[{}]", HttpStatusCode.Unauthorized)]
    [InlineData("/flags/?v=2", "{}", HttpStatusCode.OK)]
    public async Task Every_origin_is_mirrored_on_every_answer(string path, string body, HttpStatusCode status)
    {
        await using var host = await DoorsHost.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body) };
        request.Headers.Add("Origin", "https://shop.example");
        using var answer = await host.Client.SendAsync(request);

        Assert.Equal(status, answer.StatusCode);
        Assert.Equal("https://shop.example", answer.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Equal("true", answer.Headers.GetValues("Access-Control-Allow-Credentials").Single());
        Assert.Equal("Origin", answer.Headers.Vary.Single());
    }

    [Theory]
    [InlineData("/e/")]
    [InlineData("/batch")]
    [InlineData("/decide/")]
    public async Task A_preflight_is_answered_with_what_it_asks_for(string path)
    {
        await using var host = await DoorsHost.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Options, path);
        request.Headers.Add("Origin", "null");
        request.Headers.Add("Access-Control-Request-Headers", "content-type, x-custom");
        using var answer = await host.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal("null", answer.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Equal("GET, POST, OPTIONS", string.Join(", ", answer.Headers.GetValues("Access-Control-Allow-Methods")));
        Assert.Equal("content-type, x-custom", string.Join(", ", answer.Headers.GetValues("Access-Control-Allow-Headers")));
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task Other_methods_are_not_allowed(string method)
    {
        await using var host = await DoorsHost.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), "/e/");

        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await host.Client.SendAsync(request)).StatusCode);
    }

    [Fact]
    public async Task SDKs_find_what_they_ask_for_at_start()
    {
        await using var host = await DoorsHost.StartAsync();

        Assert.Equal(
            """{"supportedCompression":["gzip-js"],"hasFeatureFlags":false,"sessionRecording":false,"surveys":false,"heatmaps":false}""",
            await host.Client.GetStringAsync("/array/phc_public/config"));
        Assert.Equal(HttpStatusCode.NotFound, (await host.Client.GetAsync("/array/phc_public/config.js")).StatusCode);
        using var flags = await host.Client.PostAsync("/flags/?v=2", new StringContent("{}"));
        Assert.Equal(
            """{"flags":{},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false}""",
            await flags.Content.ReadAsStringAsync());
        Assert.Equal("""{"surveys":[]}""", await host.Client.GetStringAsync("/api/surveys/?token=phc_public"));
        Assert.Equal(HttpStatusCode.OK, (await host.Client.PostAsync("/s/", new StringContent("{}"))).StatusCode);
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return target.ToArray();
    }
}
