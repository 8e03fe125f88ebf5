using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

/// <summary>Valid requests, broken at random: whatever comes out is a defined answer.</summary>
public sealed class CaptureFuzzTests
{
    private const int Rounds = 60_000;

    private static readonly string[] Seeds =
    [
        """{"api_key":"t","batch":[{"event":"a","distinct_id":"d","properties":{"n":[1,{"x":"\ud83d\ude00"}]}},{"event":"b","distinct_id":"e"}],"sent_at":"2026-03-01T12:00:00Z"}""",
        """[{"event":"a","distinct_id":42,"token":"t","uuid":"0198c2a0-1111-7000-8000-000000000001"},{"event":"b","distinct_id":{"a":[1.5]},"timestamp":"2026-03-01T11:00:00+03"}]""",
        """{"event":"$identify","distinct_id":"d","token":"t","offset":12,"$set":{"a":null},"$set_once":{},"properties":{"$anon_distinct_id":"x","$ignore_sent_at":true,"distinct_id":"p"}}""",
        """{"$token":"t","$distinct_id":"d","$set":{"email":"a@b.test"}}""",
        """{"event":{"event":"e","uuid":"not-a-uuid","distinct_id":7,"timestamp":"","properties":"text"},"person":{"id":"p"}}""",
    ];

    private static readonly string[] Snippets =
    [
        "\0", "\\u0000", "\\ud800", "\\udfff", "\\u", "\\", "\"", "{", "}", "[", "]", ",", ":", "null", "true", "-", "1e999",
        "1e-999", "\"batch\":", "\"event\":", "\"distinct_id\":", "\"token\":\"u\",", "\"offset\":1,", "\"uuid\":\"\",", "\uFEFF", "\ud83d\ude00",
        "%41", "+", "&data=", "=", "\u001f\u008b\b", "9999999999999999999999", "{\"a\":", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ];

    private static readonly string?[] Hints = [null, null, null, "gzip", "lz64", "base64", "br"];

    [Fact]
    public void Every_input_has_an_answer_and_a_batch_is_taken_whole_or_not_at_all()
    {
        const int Seed = 20260301;
        var random = new Random(Seed);
        var (accepted, refused) = (0, 0);
        for (var round = 0; round < Rounds; round++)
        {
            var body = Mutated(random);
            var request = new CaptureRequest((CapturePath)random.Next(4), body, Requests.Now)
            {
                Compression = Hints[random.Next(Hints.Length)],
                ContentEncoding = Hints[random.Next(Hints.Length)],
                ContentType = random.Next(8) == 0 ? "application/x-www-form-urlencoded" : "application/json",
                SentAt = random.Next(8) == 0 ? "1772366400000" : null,
            };
            if (random.Next(16) == 0)
                request = request with { Data = Encoding.UTF8.GetString(body), Body = default };

            switch (Bounded(() => Requests.Decode(request)))
            {
                case CaptureDecoding.Accepted good:
                    accepted++;
                    foreach (var captured in good.Events)
                        AssertSound(captured);
                    AssertWhole(good.Events, body);
                    break;
                case CaptureDecoding.Refused { Refusal: var refusal }:
                    refused++;
                    Assert.True(refusal.Status is 400 or 401 or 413);
                    Assert.NotEmpty(refusal.Reason);
                    break;
            }

            if (Bounded(() => WebhookDecoder.Decode(body, Requests.Now, Requests.Limits())) is WebhookDecoding.Accepted webhook)
                AssertSound(webhook.Event);
        }

        // Both sides of the line were walked.
        Assert.True(accepted > Rounds / 20 && refused > Rounds / 20, $"seed {Seed}: {accepted} accepted, {refused} refused");
    }

    private static T Bounded<T>(Func<T> decode)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var answer = decode();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
        return answer;
    }

    private static void AssertSound(CaptureEvent captured)
    {
        Assert.True(captured.DistinctId.Length > 0 || captured.Notes.HasFlag(CaptureNotes.NoDistinctId));
        Assert.True(captured.DistinctId.EnumerateRunes().Count() <= 200);
        Assert.DoesNotContain('\0', captured.DistinctId);
        Assert.DoesNotContain('\0', captured.Event);
        Assert.True(captured.Timestamp <= Requests.Now.AddHours(23) || captured.Door == Door.Webhook);

        using var json = JsonDocument.Parse(captured.Json, new JsonDocumentOptions { MaxDepth = 64 });
        Assert.Equal(JsonValueKind.Object, json.RootElement.ValueKind);
        ReadAllText(json.RootElement);
    }

    /// <summary>Where the body is JSON itself, another parser must count as many events as were taken.</summary>
    private static void AssertWhole(IReadOnlyList<CaptureEvent> events, byte[] body)
    {
        if (body.AsSpan().IndexOf("\\ud"u8) >= 0 || body[0] is not ((byte)'{' or (byte)'['))
            return;

        using var json = JsonDocument.Parse(body);
        var root = json.RootElement;
        var sent = root.ValueKind == JsonValueKind.Array ? root.GetArrayLength()
            : root.TryGetProperty("batch", out var batch) && batch.ValueKind == JsonValueKind.Array ? batch.GetArrayLength()
            : 1;
        Assert.Equal(sent, events.Count);
    }

    private static void ReadAllText(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    Assert.NotNull(property.Name);
                    ReadAllText(property.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                    ReadAllText(item);
                break;
            case JsonValueKind.String:
                Assert.NotNull(element.GetString());
                break;
        }
    }

    private static byte[] Mutated(Random random)
    {
        var text = new StringBuilder(Seeds[random.Next(Seeds.Length)]);
        for (var i = random.Next(4); i > 0; i--)
            MutateText(random, text);

        var bytes = Encoding.UTF8.GetBytes(text.ToString());
        bytes = random.Next(8) switch
        {
            0 => Requests.Gzip(bytes),
            1 => Encoding.ASCII.GetBytes(Convert.ToBase64String(bytes)),
            2 => Encoding.ASCII.GetBytes(Convert.ToBase64String(Requests.Gzip(bytes))),
            3 => Encoding.UTF8.GetBytes("data=" + Uri.EscapeDataString(Convert.ToBase64String(bytes))),
            4 => Encoding.ASCII.GetBytes(LzStringSample.Base64),
            _ => bytes,
        };
        return random.Next(6) == 0 ? MutateBytes(random, bytes) : bytes;
    }

    private static void MutateText(Random random, StringBuilder text)
    {
        var at = random.Next(text.Length);
        if (random.Next(2) == 0)
            text.Insert(at, Snippets[random.Next(Snippets.Length)]);
        else
            text.Remove(at, Math.Min(text.Length - at - 1, random.Next(1, 4)));
    }

    private static byte[] MutateBytes(Random random, byte[] bytes)
    {
        var mutated = bytes[..random.Next(1, bytes.Length + 1)];
        mutated[random.Next(mutated.Length)] ^= (byte)(1 << random.Next(8));
        return mutated;
    }
}
