using System.Collections.Immutable;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What makes a contact a member of an account, in the order in which the rules are asked.</summary>
public enum AccountRule : byte
{
    /// <summary><c>$groupidentify</c> or <c>$groups</c> of the connection's group type; the last one counts.</summary>
    GroupCall = 1,

    /// <summary>A trait that the connection names.</summary>
    TraitPath = 2,

    /// <summary>The registrable domain of the e-mail address.</summary>
    EmailDomain = 3,
}

/// <summary>Why a rule names no account.</summary>
public enum AccountMiss : byte
{
    /// <summary>No event named a group of the connection's type.</summary>
    NoGroup = 1,

    /// <summary>The connection names no trait path, or switches the rule off.</summary>
    NotConfigured = 2,

    /// <summary>No trait at the paths holds text or a number.</summary>
    NoTrait = 3,

    /// <summary>There is no trait that holds an e-mail address.</summary>
    NoAddress = 4,

    /// <summary>The domain is all public suffix: nobody registered it.</summary>
    PublicSuffix = 5,

    /// <summary>Anybody can have an address there.</summary>
    FreeMail = 6,

    /// <summary>Addresses there are thrown away.</summary>
    Disposable = 7,

    /// <summary>The connection says that the domain is no account.</summary>
    NoAccountDomain = 8,

    /// <summary>The person is not identified: a visitor belongs to an account only by a group call.</summary>
    NotIdentified = 9,
}

/// <summary>Why a person belongs to an account.</summary>
/// <param name="Key">The account, see <see cref="AccountId.Key"/>.</param>
/// <param name="Rule">The rule that named it.</param>
/// <param name="Value">What the rule saw: the group key, the trait's path, or the domain of the address.</param>
public sealed record AccountLink(string Key, AccountRule Rule, string Value);

/// <summary>The account of a person and the rules that were asked in vain before.</summary>
/// <param name="Link">Null if no rule named one.</param>
/// <param name="Misses">In the order of the rules.</param>
public sealed record AccountMatch(AccountLink? Link, ImmutableArray<(AccountRule Rule, AccountMiss Why)> Misses);

/// <summary>A connection's rules of account matching, in Variance's order (variance.md 2).</summary>
public sealed class AccountMatching
{
    /// <summary>Keys of groups and traits are cut off here: PostHog takes group keys of at most 400
    /// characters.</summary>
    public const int KeyCharsMax = 400;

    private readonly ImmutableArray<TraitPath> _idPaths;
    private readonly ImmutableArray<TraitPath> _namePaths;
    private readonly TraitPath _emailPath;
    private readonly bool _byEmailDomain;
    private readonly ImmutableHashSet<string> _noAccounts;
    private readonly ImmutableHashSet<string> _accounts;

    /// <summary>The rules that options ask for.</summary>
    public AccountMatching(AccountMatchingOptions options)
    {
        _idPaths = [.. options.IdPaths.Select(path => new TraitPath(path))];
        _namePaths = [.. options.NamePaths.Select(path => new TraitPath(path))];
        _emailPath = new TraitPath(options.EmailPath);
        _byEmailDomain = options.ByEmailDomain;
        _noAccounts = Domains(options.NoAccountDomains);
        _accounts = Domains(options.AccountDomains);
    }

    /// <summary>Asks the rules in their order.</summary>
    /// <param name="group">The last group key that the person's events named; null if none did.</param>
    /// <param name="properties">The person's properties.</param>
    /// <param name="isIdentified">Traits and addresses count only for contacts.</param>
    public AccountMatch Match(string? group, ImmutableDictionary<string, JsonValue> properties, bool isIdentified)
    {
        if (group is not null)
        {
            return new AccountMatch(new AccountLink(group, AccountRule.GroupCall, group), []);
        }

        var misses = ImmutableArray.Create((AccountRule.GroupCall, AccountMiss.NoGroup));
        if (!isIdentified)
        {
            return new AccountMatch(
                null,
                [
                    .. misses,
                    (AccountRule.TraitPath, AccountMiss.NotIdentified),
                    (AccountRule.EmailDomain, AccountMiss.NotIdentified),
                ]);
        }

        if (ByTrait(properties) is { } byTrait)
        {
            return new AccountMatch(byTrait, misses);
        }

        var isNamed = _idPaths.Length + _namePaths.Length > 0;
        misses = misses.Add((AccountRule.TraitPath, isNamed ? AccountMiss.NoTrait : AccountMiss.NotConfigured));
        return ByDomain(properties, out var why) is { } byDomain
            ? new AccountMatch(byDomain, misses)
            : new AccountMatch(null, misses.Add((AccountRule.EmailDomain, why)));
    }

    /// <summary>The account's name as the person's traits have it; null if they have none.</summary>
    public string? NameOf(ImmutableDictionary<string, JsonValue> properties) => First(_namePaths, properties)?.Text;

    /// <summary>The registrable domain of the person's address if it is a company's; else null.</summary>
    public string? WorkDomainOf(ImmutableDictionary<string, JsonValue> properties) => WorkDomain(properties, out _);

    private AccountLink? ByTrait(ImmutableDictionary<string, JsonValue> properties) =>
        (First(_idPaths, properties) ?? First(_namePaths, properties)) is (var path, var key)
            ? new AccountLink(key, AccountRule.TraitPath, path)
            : null;

    private AccountLink? ByDomain(ImmutableDictionary<string, JsonValue> properties, out AccountMiss why)
    {
        if (!_byEmailDomain)
        {
            why = AccountMiss.NotConfigured;
            return null;
        }

        return WorkDomain(properties, out why) is { } domain
            ? new AccountLink(domain, AccountRule.EmailDomain, domain)
            : null;
    }

    private string? WorkDomain(ImmutableDictionary<string, JsonValue> properties, out AccountMiss why)
    {
        why = AccountMiss.NoAddress;
        if (TraitPath.TextOf(_emailPath.Read(properties)) is not { } address
            || RegistrableDomain.OfAddress(address) is not { } domain)
        {
            return null;
        }

        if (RegistrableDomain.Of(domain) is not { } registrable)
        {
            why = AccountMiss.PublicSuffix;
            return null;
        }

        why = (domain, registrable) switch
        {
            _ when IsIn(_accounts) => 0,
            _ when IsIn(_noAccounts) => AccountMiss.NoAccountDomain,
            _ when IsIn(DomainLists.FreeMail) => AccountMiss.FreeMail,
            _ when IsIn(DomainLists.Disposable) => AccountMiss.Disposable,
            _ => 0,
        };
        return why is 0 ? registrable : null;

        bool IsIn(ImmutableHashSet<string> domains) => domains.Contains(domain) || domains.Contains(registrable);
    }

    private static (string Path, string Text)? First(
        ImmutableArray<TraitPath> paths,
        ImmutableDictionary<string, JsonValue> properties)
    {
        foreach (var path in paths)
        {
            var text = TraitPath.TextOf(path.Read(properties))?.Trim();
            if (text is { Length: > 0 and <= KeyCharsMax })
            {
                return (path.Text, text);
            }
        }

        return null;
    }

    private static ImmutableHashSet<string> Domains(IEnumerable<string> domains) =>
        domains.Select(RegistrableDomain.Normalize).OfType<string>().ToImmutableHashSet(StringComparer.Ordinal);
}
