namespace VarianceActors.Pipeline.Mapping;

/// <summary>PostHog's own events that mean something to Variance.</summary>
internal static class EventNames
{
    public const string CreateAlias = "$create_alias";
    public const string GroupIdentify = "$groupidentify";
    public const string Identify = "$identify";
    public const string MergeDangerously = "$merge_dangerously";
    public const string PageView = "$pageview";
    public const string Screen = "$screen";
    public const string Set = "$set";
}
