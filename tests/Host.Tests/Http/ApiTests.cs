using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Host.Tests.Http;

/// <summary>The API of operators over HTTP.</summary>
public sealed class ApiTests
{
    [Fact]
    public async Task A_person_is_found_under_its_id_whatever_the_id_holds()
    {
        string[] ids = ["a/b", "a%2Fb", "org/42", "ü/ñ 日本", "a//b", "?", "#x", "a+b", "100%", " spaced "];
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync([.. ids.Select(id => new
        {
            @event = "seen",
            distinct_id = id,
            properties = new Dictionary<string, object> { ["$set"] = new { mine = id } },
        })]);
        await pipeline.SettledAsync();
        foreach (var id in ids)
        {
            var person = await pipeline.PersonAsync(id);
            Assert.Equal(id, person!.Value.GetProperty("distinct_ids")[0].GetString());
            Assert.Equal(id, person.Value.GetProperty("properties").GetProperty("mine").GetString());
        }

        Assert.Null(await pipeline.PersonAsync("nobody"));
    }

    [Fact]
    public async Task The_api_asks_for_the_key_and_says_what_it_does_not_know()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        using var without = await pipeline.Http.GetAsync(new Uri("/api/v1/connections/acme/ledger", UriKind.Relative));
        Assert.Equal(HttpStatusCode.Unauthorized, without.StatusCode);
        using var wrong = new HttpRequestMessage(HttpMethod.Get, "/api/v1/connections/acme/ledger");
        wrong.Headers.TryAddWithoutValidation("Authorization", "Bearer nothing-of-the-kind");
        using var refused = await pipeline.Http.SendAsync(wrong);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        using var unknownEvent = await pipeline.ApiAsync($"events/{Guid.NewGuid()}");
        Assert.Equal(HttpStatusCode.NotFound, unknownEvent.StatusCode);
        using var unknownConnection = await pipeline.ApiAsync("../nobody/ledger");
        Assert.Equal(HttpStatusCode.NotFound, unknownConnection.StatusCode);
    }

    [Fact]
    public async Task Without_a_key_the_api_answers_this_machine_only_and_nobody_behind_a_proxy()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Hocon: "variance.admin-key = \"\""));
        var ledger = new Uri("/api/v1/connections/acme/ledger", UriKind.Relative);
        using var here = await pipeline.Http.GetAsync(ledger);
        Assert.Equal(HttpStatusCode.OK, here.StatusCode);
        foreach (var (header, value) in new[] { ("X-Forwarded-For", "8.8.8.8"), ("Forwarded", "for=8.8.8.8"), ("Host", "evil.example") })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, ledger);
            request.Headers.TryAddWithoutValidation(header, value);
            using var answer = await pipeline.Http.SendAsync(request);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }
    }

    [Fact]
    public async Task The_document_of_the_api_names_every_call()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var document = await pipeline.Http.GetFromJsonAsync<JsonElement>(new Uri("/openapi/v1.json", UriKind.Relative));
        var paths = document.GetProperty("paths").EnumerateObject().Select(path => path.Name).ToList();
        Assert.Contains("/api/v1/connections/{connection}/ledger", paths);
        Assert.Contains("/api/v1/connections/{connection}/events/{uuid}", paths);
        Assert.Contains("/api/v1/connections/{connection}/persons/{distinctId}", paths);
        Assert.Contains("/api/v1/connections/{connection}/dead-letters", paths);
        Assert.Contains("/health/live", paths);
        Assert.Contains("/health/ready", paths);
    }
}
