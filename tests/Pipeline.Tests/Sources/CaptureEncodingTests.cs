using System.Text;
using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class CaptureEncodingTests
{
    private const string Form = "application/x-www-form-urlencoded";
    private const string Json = """{"event":"ünï","distinct_id":"d","token":"t","properties":{"text":">>>???~~~"}}""";

    private const string LzString = LzStringSample.Base64;

    [Fact]
    public void Plain_JSON_is_read_whatever_the_content_type()
    {
        foreach (var type in new[] { null, "application/json", "text/plain", "application/octet-stream", Form + "; charset=utf-8" })
            AssertRead(Requests.Request(Json) with { ContentType = type });
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("gzip", null)]
    [InlineData("GZIP-js", null)]
    [InlineData(null, "gzip")]
    [InlineData("base64", null)]
    [InlineData("lz64", null)]
    public void Gzip_is_known_by_its_first_bytes(string? query, string? header) =>
        AssertRead(Requests.Request(Requests.Gzip(Json)) with { Compression = query, ContentEncoding = header });

    [Theory]
    [InlineData(CapturePath.Batch)]
    [InlineData(CapturePath.LegacyEvents)]
    public void Base64_is_known_by_its_alphabet(CapturePath path)
    {
        AssertRead(Requests.Request(Requests.Base64(Json), path));
        AssertRead(Requests.Request(Convert.ToBase64String(Requests.Gzip(Json)), path));
    }

    [Fact]
    public void Only_the_legacy_paths_unwrap_base64_a_second_time()
    {
        var twice = Requests.Base64(Requests.Base64(Json));

        AssertRead(Requests.Request(twice, CapturePath.LegacyEvents));
        AssertRead(Requests.Request(twice, CapturePath.Engage));
        AssertRead(Requests.Request(twice, CapturePath.Batch) with { Compression = "b64" });
        Assert.Equal(400, Requests.Refused(Requests.Request(twice, CapturePath.Batch)).Status);
        Assert.Equal(400, Requests.Refused(Requests.Request(twice, CapturePath.Events)).Status);
    }

    [Fact]
    public void A_form_carries_the_payload_in_data()
    {
        var plain = "ip=1&data=" + Uri.EscapeDataString(Json) + "&_=1";
        var base64 = "compression=base64&data=" + Uri.EscapeDataString(Requests.Base64(Json));
        var unescaped = "data=" + Requests.Base64(Json) + "&compression=base64";

        Assert.Contains('+', unescaped);
        foreach (var form in new[] { plain, base64, unescaped, "data=x&" + base64 })
            AssertRead(Requests.Request(form) with { ContentType = Form });
    }

    [Fact]
    public void A_form_type_needs_a_form()
    {
        Assert.Equal(
            "The content type is application/x-www-form-urlencoded but the body is no form. "
            + "Send data=<events>, or use the content type application/json.",
            Requests.Refused(Requests.Request(Json) with { ContentType = Form }).Reason);
        Assert.Equal(
            "The form has no field data. Send the events in a form field named data.",
            Requests.Refused(Requests.Request("ip=1&compression=gzip") with { ContentType = Form }).Reason);
    }

    [Fact]
    public void The_query_parameter_data_beats_the_body()
    {
        AssertRead(Requests.Request("nonsense") with { Data = Json });
        AssertRead(Requests.Request("") with { Data = Requests.Base64(Json) });
        AssertRead(Requests.Request("") with { Data = Requests.Base64(Json).Replace('+', ' ') });
        AssertRead(Requests.Request(Json) with { Data = "" });
    }

    [Theory]
    [InlineData("lz64")]
    [InlineData("lz-string")]
    public void Lz_string_is_read(string hint)
    {
        Assert.Equal(
            LzStringSample.Text,
            Requests.JsonOf(Requests.Events(Requests.Request(LzString) with { Compression = hint }).Single()));
        Assert.Equal(
            LzStringSample.Text,
            Requests.JsonOf(Requests.Events(Requests.Request(Requests.Base64(LzString)) with { Compression = hint }).Single()));
    }

    [Fact]
    public void A_hint_that_is_wrong_is_refused()
    {
        Assert.Equal(
            "The payload is not complete, valid gzip. Send it again, or send plain JSON without a gzip hint.",
            Requests.Refused(Requests.Request(Json) with { Compression = "gzip" }).Reason);
        Assert.Equal(
            "The payload is not valid lz-string base64. Send gzip or plain JSON instead.",
            Requests.Refused(Requests.Request(Json) with { Compression = "lz64" }).Reason);
        Assert.Equal(
            "The payload is not valid lz-string base64. Send gzip or plain JSON instead.",
            Requests.Refused(Requests.Request(LzString[..40]) with { Compression = "lz64" }).Reason);
    }

    [Fact]
    public void Gzip_cut_anywhere_is_refused_and_never_read_in_part()
    {
        var gzip = Requests.Gzip(Json);
        for (var length = 3; length < gzip.Length; length++)
            Assert.Equal(400, Requests.Refused(Requests.Request(gzip[..length])).Status);
    }

    [Fact]
    public void Text_that_is_not_UTF_8_is_refused()
    {
        var body = Encoding.Latin1.GetBytes(Json);

        Assert.Equal(
            "The payload is not valid UTF-8. Send JSON in UTF-8, plain, as base64 or gzip.",
            Requests.Refused(Requests.Request(body)).Reason);
        Assert.Equal(400, Requests.Refused(Requests.Request(Requests.Gzip(body))).Status);
    }

    private static void AssertRead(CaptureRequest request) =>
        Assert.Equal(Json, Requests.JsonOf(Requests.Events(request).Single()));
}
