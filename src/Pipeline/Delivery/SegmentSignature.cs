using System.Security.Cryptography;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>The signature that Variance's Segment connection checks. The receiver prescribes SHA-1; as an HMAC it still proves
/// who sent the body.</summary>
internal static class SegmentSignature
{
    /// <summary>HMAC-SHA1 of the exact body, lower-case hex.</summary>
    public static string Of(ReadOnlySpan<byte> key, ReadOnlySpan<byte> body) =>
        Convert.ToHexStringLower(HMACSHA1.HashData(key, body));
}
