using System.Collections.Immutable;
using System.Reflection;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>The domain lists that are built in; where each comes from stands in its first lines.</summary>
public static class DomainLists
{
    private static readonly Lazy<ImmutableHashSet<string>> LazyFreeMail = new(() => Read("free-mail-domains.txt"));
    private static readonly Lazy<ImmutableHashSet<string>> LazyDisposable = new(() => Read("disposable-domains.txt"));

    /// <summary>Domains whose addresses anybody can have, in lower case.</summary>
    public static ImmutableHashSet<string> FreeMail => LazyFreeMail.Value;

    /// <summary>Domains of addresses that are thrown away, in lower case.</summary>
    public static ImmutableHashSet<string> Disposable => LazyDisposable.Value;

    /// <summary>The lines of a list that are no comments.</summary>
    internal static ImmutableHashSet<string> Read(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"accounts/{name}")
            ?? throw new InvalidOperationException($"The list {name} is not built in.");
        using var reader = new StreamReader(stream);
        return reader
            .ReadToEnd()
            .Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line[0] is not '#')
            .ToImmutableHashSet(StringComparer.Ordinal);
    }
}
