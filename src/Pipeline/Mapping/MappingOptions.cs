using System.IO.Enumeration;
using System.Text;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>What a connection lets through, for the mapping <c>contacts</c>. Filters stop what an event says of itself;
/// what was learnt from it (an alias, changed traits, a changed account) is sent all the same, or contacts would fall
/// apart.</summary>
public sealed class MappingOptions
{
    private readonly byte[][] _neverSent = [];

    /// <summary>Globs (<c>*</c>, <c>?</c>) of event names that may be sent; empty means all. Case counts.</summary>
    public string[] EventsAllowed { get; init; } = [];

    /// <summary>Globs of event names that are not sent; stronger than <see cref="EventsAllowed"/>.</summary>
    public string[] EventsDenied { get; init; } = [];

    /// <summary>Names of event and person properties that never leave, in <c>context</c> neither: <c>$current_url</c>
    /// here means no URL anywhere.</summary>
    public string[] PropertiesNeverSent
    {
        get => _neverSent.Select(Encoding.UTF8.GetString).ToArray();
        init => _neverSent = value.Select(Encoding.UTF8.GetBytes).ToArray();
    }

    /// <summary>PostHog's group type that stands for accounts; empty means any.</summary>
    public string GroupType { get; init; } = "company";

    /// <summary>Whether accounts tell Variance about themselves: then the messages of contacts name their account and
    /// leave its traits out.</summary>
    public bool AccountsSpeak { get; init; }

    /// <summary>Whether a change of stage is sent as a track message.</summary>
    public bool StageChangeEvents { get; init; } = true;

    internal bool Sends(ReadOnlySpan<byte> name, JsonSlice value) =>
        !name.StartsWith("$"u8)
        && !name.SequenceEqual("token"u8)
        && !name.SequenceEqual("api_key"u8)
        && !NeverSends(name)
        && !value.IsTokenLike;

    internal bool Allows(string eventName) =>
        (EventsAllowed.Length == 0 || Array.Exists(EventsAllowed, glob => Matches(glob, eventName)))
        && !Array.Exists(EventsDenied, glob => Matches(glob, eventName));

    internal bool NeverSends(ReadOnlySpan<byte> property)
    {
        foreach (byte[] name in _neverSent)
        {
            if (property.SequenceEqual(name))
                return true;
        }

        return false;
    }

    private static bool Matches(string glob, string name) =>
        FileSystemName.MatchesSimpleExpression(glob, name, ignoreCase: false);
}
