using System.Collections.Frozen;

namespace VarianceActors.Pipeline.People;

/// <summary>Event properties that PostHog also keeps on the person (posthog.md A6).</summary>
internal static class AutomaticProperties
{
    public const string Os = "$os";
    public const string OsName = "$os_name";
    public const string OsVersion = "$os_version";
    public const string InitialOs = "$initial_os";
    public const string InitialOsName = "$initial_os_name";

    private static readonly string[] Names =
    [
        "$app_build", "$app_name", "$app_namespace", "$app_version", "$browser", "$browser_version", "$device_type",
        "$current_url", "$pathname", Os, OsName, OsVersion, "$referring_domain", "$referrer", "$screen_height",
        "$screen_width", "$viewport_height", "$viewport_width", "$raw_user_agent",
        "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_name", "utm_term", "gclid", "gad_source",
        "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "twclid", "li_fat_id", "mc_cid", "igshid",
        "ttclid", "rdt_cid", "irclid", "_kx", "epik", "qclid", "sccid",
    ];

    /// <summary>Each name with the one that keeps its first value: <c>$initial_</c> and the name without its
    /// <c>$</c>.</summary>
    public static FrozenDictionary<string, string> InitialByName { get; } =
        Names.ToFrozenDictionary(name => name, name => $"$initial_{name.TrimStart('$')}", StringComparer.Ordinal);
}
