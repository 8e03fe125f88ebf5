using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>How accounts live: the block <c>variance.accounts</c>.</summary>
public sealed class AccountsOptions
{
    /// <summary>An account without news leaves memory after this long.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan IdleTimeout { get; set; }

    /// <summary>Facts between two snapshots of an account; an eighth of its members, if that is more.</summary>
    [Range(1, 1_000_000)]
    public int SnapshotEvery { get; set; }

    /// <summary>Shards of the region; the same on every node, and never changed.</summary>
    [Range(1, 10_000)]
    public int Shards { get; set; }
}

/// <summary>How contacts find their account: the block <c>accounts</c> of a connection. The group type stands beside
/// it.</summary>
public sealed class AccountMatchingOptions
{
    /// <summary>Paths of traits that hold the account's id; the first that holds one counts.</summary>
    public required IReadOnlyList<string> IdPaths { get; set; }

    /// <summary>Paths of traits that hold the account's name; it is the id, too, if there is no other.</summary>
    public required IReadOnlyList<string> NamePaths { get; set; }

    /// <summary>Path of the trait that holds the e-mail address.</summary>
    public required string EmailPath { get; set; }

    /// <summary>Whether the domain of the e-mail address makes an account.</summary>
    public bool ByEmailDomain { get; set; }

    /// <summary>Domains that make no account, beside free mail and disposable ones.</summary>
    public required IReadOnlyList<string> NoAccountDomains { get; set; }

    /// <summary>Domains that make an account whatever the lists say.</summary>
    public required IReadOnlyList<string> AccountDomains { get; set; }
}
