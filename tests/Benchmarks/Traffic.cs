using System.Buffers;
using System.Text.Json;

namespace VarianceActors.Benchmarks;

/// <summary>Capture requests as posthog-js sends them: page views and product events of 1 to 2 KB, from many persons.</summary>
internal static class Traffic
{
    private const int Persons = 2_000;
    private static readonly string[] Pages = ["/", "/pricing", "/docs", "/reports/pipeline", "/settings/team"];

    /// <summary>The body of one <c>/batch</c> request.</summary>
    /// <param name="token">The project token.</param>
    /// <param name="first">The number of the first event; different numbers make different events.</param>
    /// <param name="events">How many events.</param>
    public static byte[] Batch(string token, int first, int events)
    {
        var buffer = new ArrayBufferWriter<byte>(events * 1500);
        using var writer = new Utf8JsonWriter(buffer);
        writer.WriteStartObject();
        writer.WriteString("api_key", token);
        writer.WriteStartArray("batch");
        for (var number = first; number < first + events; number++)
        {
            WriteEvent(writer, number);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteEvent(Utf8JsonWriter writer, int number)
    {
        var person = number * 7919 % Persons;
        var page = Pages[number % Pages.Length];
        writer.WriteStartObject();
        writer.WriteString("uuid", Guid.CreateVersion7(TimeProvider.System.GetUtcNow()));
        writer.WriteString("event", number % 3 == 0 ? "report opened" : "$pageview");
        writer.WriteString("distinct_id", $"user-{person}");
        writer.WriteString("timestamp", "2026-03-01T09:00:00.000Z");
        writer.WriteStartObject("properties");
        writer.WriteString("$browser", "Chrome");
        writer.WriteNumber("$browser_version", 133);
        writer.WriteString("$os", "Mac OS X");
        writer.WriteString("$device_type", "Desktop");
        writer.WriteString("$current_url", $"https://app.example.com{page}?tab=overview&ref={number % 17}");
        writer.WriteString("$host", "app.example.com");
        writer.WriteString("$pathname", page);
        writer.WriteString("$referrer", "https://www.google.com/");
        writer.WriteString("$referring_domain", "www.google.com");
        writer.WriteNumber("$screen_height", 1117);
        writer.WriteNumber("$screen_width", 1728);
        writer.WriteString("$lib", "web");
        writer.WriteString("$lib_version", "1.418.10");
        writer.WriteString("$device_id", $"0198c2a0-1111-7000-8000-{person:D12}");
        writer.WriteString("$session_id", $"0198c2a0-2222-7000-8000-{person:D12}");
        writer.WriteString(
            "$raw_user_agent",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36");
        writer.WriteString("token", "phc_bench");
        writer.WriteString("plan", "business");
        writer.WriteNumber("rows", number);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}
