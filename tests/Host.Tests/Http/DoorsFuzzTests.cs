using System.Net;
using System.Text;
using Xunit;

namespace VarianceActors.Host.Tests.Http;

public sealed class DoorsFuzzTests
{
    private const int Rounds = 4_000;

    private static readonly string[] Paths =
        ["/batch/", "/capture/", "/e/", "/i/v0/e/", "/track", "/engage/", "/flags/", "/webhooks/posthog", "/array/x/config"];

    private static readonly string[] Queries =
        ["", "?beacon=1", "?compression=gzip", "?compression=lz64", "?data=%7B%00&_=x", "?data=%ff%fe", "?_=99999999999999999999&sent_at=", "?&&=&data"];

    private static readonly string[] Bodies =
    [
        """{"event":"e","distinct_id":"d","token":"phc_public","properties":{"a":"\ud800\u0000"}}""",
        """{"api_key":"phc_public","batch":[{"event":"e","distinct_id":"d"}]}""",
        """{"event":{"event":"e","distinct_id":7,"uuid":"x"}}""",
        "data=eyJldmVudCI6ImUifQ%3D%3D&compression=base64",
    ];

    private static readonly string[] Odd = ["\r", "\u00ff", "ünï", "a, b", "*", "null", "gzip", "application/x-www-form-urlencoded", "%00"];

    [Fact]
    public async Task No_request_is_answered_with_500()
    {
        const int Seed = 20260301;
        var random = new Random(Seed);
        await using var host = await DoorsHost.StartAsync();
        var seen = new Dictionary<HttpStatusCode, int>();
        for (var round = 0; round < Rounds; round++)
        {
            using var request = Request(random);
            using var answer = await host.Client.SendAsync(request);
            var status = answer.StatusCode;
            seen[status] = seen.GetValueOrDefault(status) + 1;
            Assert.True((int)status < 500, $"seed {Seed}, round {round}: {(int)status}");
        }

        Assert.True(seen[HttpStatusCode.OK] > Rounds / 20, $"seed {Seed}: hardly anything was accepted");
        Assert.True(seen[HttpStatusCode.BadRequest] > Rounds / 20, $"seed {Seed}: hardly anything was refused");
    }

    private static HttpRequestMessage Request(Random random)
    {
        var body = Encoding.UTF8.GetBytes(Pick(random, Bodies));
        if (random.Next(2) == 0)
            body[random.Next(body.Length)] ^= (byte)(1 << random.Next(8));

        var method = random.Next(8) == 0 ? HttpMethod.Options : HttpMethod.Post;
        var request = new HttpRequestMessage(method, Pick(random, Paths) + Pick(random, Queries))
        {
            Content = new ByteArrayContent(body[..random.Next(random.Next(2) == 0 ? 0 : body.Length, body.Length + 1)]),
        };
        request.Headers.TransferEncodingChunked = random.Next(4) == 0;
        request.Headers.TryAddWithoutValidation("Authorization", random.Next(2) == 0 ? "Bearer " + DoorsHost.Secret : Pick(random, Odd));
        foreach (var name in new[] { "Origin", "Access-Control-Request-Headers" })
        {
            if (random.Next(2) == 0)
                request.Headers.TryAddWithoutValidation(name, Printable(Pick(random, Odd)));
        }

        foreach (var name in new[] { "Content-Type", "Content-Encoding" })
        {
            if (random.Next(2) == 0)
                request.Content.Headers.TryAddWithoutValidation(name, Printable(Pick(random, Odd)));
        }

        return request;
    }

    /// <summary>What the client is able to send; the server sees bytes above 127 all the same.</summary>
    private static string Printable(string value) => value.Replace("\r", "");

    private static string Pick(Random random, string[] values) => values[random.Next(values.Length)];
}
