using System.Text;

namespace VarianceActors.Pipeline.Sources;

/// <summary>The shape of a project token (posthog.md C3).</summary>
internal static class ProjectToken
{
    private const int LengthMax = 64;

    /// <summary>Null if the trimmed token has the right shape.</summary>
    public static Refusal? Check(string trimmed) => trimmed switch
    {
        "" => Refusal.EmptyToken,
        _ when trimmed.Length > LengthMax => Refusal.LongToken,
        _ when !Ascii.IsValid(trimmed) => Refusal.TokenNotAscii,
        _ when trimmed.StartsWith("phx_", StringComparison.Ordinal) => Refusal.PersonalKey,
        _ when trimmed.Contains('\0') => Refusal.TokenWithNul,
        _ => null,
    };
}
