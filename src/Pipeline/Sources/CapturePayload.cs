using System.Buffers.Text;
using System.Text;
using System.Text.Unicode;

namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// From a request to the JSON in it (posthog.md C2): query or body, base64, form, gzip or lz-string, base64.
/// </summary>
internal static class CapturePayload
{
    /// <summary>How far into a payload its form or alphabet is looked for, in bytes.</summary>
    private const int LookedAtBytesMax = 128;

    private enum Hint
    {
        None,
        Gzip,
        LzString,
        Base64,
    }

    /// <summary>
    /// The payload, not the request's own bytes but a copy, valid UTF-8; null if the request is refused.
    /// </summary>
    public static DecodedPayload? Read(in CaptureRequest request, SourcesOptions limits, out Refusal? refusal)
    {
        var received = string.IsNullOrEmpty(request.Data) ? request.Body : QueryData(request.Data);
        if (received.IsEmpty)
            return Refused(Refusal.EmptyPayload, out refusal);

        var text = received;
        var isForm = LooksLikeForm(received.Span);
        if (!isForm && LooksLikeBase64(received.Span) && TryDecode(received.Span, out var decoded))
        {
            text = decoded;
            isForm = LooksLikeForm(decoded);
        }

        byte[]? formHint = null;
        if (string.Equals(request.ContentType, "application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase))
        {
            if (!isForm)
                return Refused(Refusal.FormExpected, out refusal);
            formHint = FormField(text.Span, "compression"u8);
            if (FormField(text.Span, "data"u8) is not { Length: > 0 } data)
                return Refused(Refusal.FormWithoutData, out refusal);
            text = received = RestorePluses(data);
        }

        var hint = HintOf(request.Compression, formHint, request.ContentEncoding);
        if (Inflate(hint, text, received, limits, out refusal) is not { } payload)
            return null;

        var mayBeWrapped = request.Path is CapturePath.LegacyEvents or CapturePath.Engage || hint == Hint.Base64;
        if (mayBeWrapped && LooksLikeBase64(payload.Span) && TryDecode(payload.Span, out var unwrapped))
        {
            payload.Return();
            payload = DecodedPayload.Of(unwrapped);
        }

        if (Utf8.IsValid(payload.Span))
            return payload;

        payload.Return();
        return Refused(Refusal.BadUtf8, out refusal);
    }

    private static DecodedPayload? Inflate(
        Hint hint,
        ReadOnlyMemory<byte> text,
        ReadOnlyMemory<byte> undecoded,
        SourcesOptions limits,
        out Refusal? refusal)
    {
        if (hint == Hint.Gzip && !IsGzip(text.Span) && LooksLikeBase64(text.Span) && TryDecode(text.Span, out var gzip))
            text = gzip;
        if (hint == Hint.Gzip || IsGzip(text.Span))
            return GzipPayload.Inflate(text, limits.InflatedBytesMax, out refusal);

        if (hint == Hint.LzString)
        {
            // lz-string's own base64 looks like any base64 and has been decoded in vain by now.
            var base64 = LooksLikeBase64(text.Span) ? text : undecoded;
            return base64.Length > limits.EventBodyBytesMax
                ? Refused(Refusal.LzStringTooLarge(limits.EventBodyBytesMax), out refusal)
                : LzStringPayload.Inflate(base64.Span, limits.InflatedBytesMax, out refusal);
        }

        refusal = null;
        var copy = DecodedPayload.Make(text.Length);
        text.Span.CopyTo(copy.Span);
        return copy;
    }

    private static DecodedPayload? Refused(Refusal reason, out Refusal? refusal)
    {
        refusal = reason;
        return null;
    }

    private static byte[] QueryData(string data) => RestorePluses(Encoding.UTF8.GetBytes(data));

    /// <summary>Percent-decoding has made spaces of the pluses of base64.</summary>
    private static byte[] RestorePluses(byte[] data)
    {
        if (data.AsSpan().Contains((byte)' ') && LooksLikeBase64(data, orSpace: true))
            data.AsSpan().Replace((byte)' ', (byte)'+');
        return data;
    }

    private static bool IsGzip(ReadOnlySpan<byte> bytes) => bytes.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B, 0x08]);

    private static bool LooksLikeForm(ReadOnlySpan<byte> bytes)
    {
        var start = bytes[..Math.Min(bytes.Length, LookedAtBytesMax)];
        return start.StartsWith("data="u8)
            || start.StartsWith("_="u8)
            || start.StartsWith("ip="u8)
            || start.StartsWith("compression="u8)
            || start.IndexOf("&data="u8) >= 0
            || start.IndexOf("&_="u8) >= 0
            || start.IndexOf("&ip="u8) >= 0
            || start.IndexOf("&compression="u8) >= 0;
    }

    private static bool LooksLikeBase64(ReadOnlySpan<byte> bytes, bool orSpace = false)
    {
        if (bytes.IsEmpty || bytes.Length % 4 != 0)
            return false;

        foreach (var b in bytes[..Math.Min(bytes.Length, LookedAtBytesMax)])
        {
            var isBase64 = char.IsAsciiLetterOrDigit((char)b) || b is (byte)'+' or (byte)'/' or (byte)'=';
            if (!isBase64 && !(orSpace && b == ' '))
                return false;
        }

        return true;
    }

    private static bool TryDecode(ReadOnlySpan<byte> base64, out byte[] bytes)
    {
        bytes = [];
        if (!Base64.IsValid(base64, out var length))
            return false;

        bytes = GC.AllocateUninitializedArray<byte>(length);
        Base64.DecodeFromUtf8(base64, bytes, out _, out _);
        return true;
    }

    private static Hint HintOf(string? query, byte[]? form, string? header) => HintOf(query) switch
    {
        Hint.None when form is not null && HintOf(Encoding.UTF8.GetString(form)) is var hint and not Hint.None => hint,
        Hint.None => HintOf(header),
        var hint => hint,
    };

    private static Hint HintOf(string? value) => value switch
    {
        null => Hint.None,
        _ when Is(value, "gzip") || Is(value, "gzip-js") => Hint.Gzip,
        _ when Is(value, "lz64") || Is(value, "lz-string") => Hint.LzString,
        _ when Is(value, "base64") || Is(value, "b64") => Hint.Base64,
        _ => Hint.None,
    };

    private static bool Is(string value, string hint) => string.Equals(value, hint, StringComparison.OrdinalIgnoreCase);

    /// <summary>The last field of that name, percent-decoded.</summary>
    private static byte[]? FormField(ReadOnlySpan<byte> form, ReadOnlySpan<byte> name)
    {
        byte[]? found = null;
        foreach (var range in form.Split((byte)'&'))
        {
            var field = form[range];
            var equals = field.IndexOf((byte)'=');
            if (equals >= 0 && field[..equals].SequenceEqual(name))
                found = PercentDecode(field[(equals + 1)..]);
        }

        return found;
    }

    private static byte[] PercentDecode(ReadOnlySpan<byte> encoded)
    {
        var decoded = encoded.ToArray();
        var length = 0;
        for (var i = 0; i < encoded.Length; i++)
        {
            var b = encoded[i];
            if (b == '%' && i + 2 < encoded.Length
                && Utf8Parser.TryParse(encoded.Slice(i + 1, 2), out byte value, out var consumed, 'x') && consumed == 2)
            {
                b = value;
                i += 2;
            }
            else if (b == '+')
            {
                b = (byte)' ';
            }

            decoded[length++] = b;
        }

        return decoded[..length];
    }
}
