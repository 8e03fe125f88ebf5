using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Host.Configuration;

/// <summary>Rules of connections, alone and among each other.</summary>
internal static class ConnectionRules
{
    private const int IdCharactersMax = 64;
    private const int TokenCharactersMax = 64;
    private const int UrlCharactersMax = 2_048;
    private const int AuthorizationCharactersMax = 4_096;

    /// <summary>Reports every rule that the connections break, by key with colons.</summary>
    public static void Check(IReadOnlyDictionary<string, ConnectionOptions> connections, Action<string, string> report)
    {
        var tokenOwners = new Dictionary<string, string>(StringComparer.Ordinal);
        var secretOwners = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (id, connection) in connections)
        {
            var key = $"variance:connections:{id}";
            CheckId(key, id, report);
            CheckSources(key, connection, report);
            CheckUrl($"{key}:url", connection, report);
            CheckRate($"{key}:rate", connection.Rate, report);
            CheckAuthorization($"{key}:authorization", connection.Authorization, report);
            HeaderRules.Check(key, connection, report);
            OptionsRules.CheckSecret($"{key}:webhook-secret", connection.WebhookSecret, report);
            CheckSecretOwner($"{key}:webhook-secret", id, connection.WebhookSecret, secretOwners, report);
            CheckTokens($"{key}:tokens", id, connection.Tokens, tokenOwners, report);
            CheckAccounts($"{key}:accounts", connection.Accounts, report);
            CheckStages($"{key}:stages", connection.Stages, report);
            CheckLastSeen($"{key}:last-seen-not-from", connection.LastSeenNotFrom, report);
        }
    }

    private static void CheckLastSeen(string key, IReadOnlyList<string> sources, Action<string, string> report)
    {
        for (var place = 0; place < sources.Count; place++)
        {
            var isKnown = sources[place] is ViewRules.Historical or ViewRules.Webhook or ViewRules.Capture
                || (sources[place].StartsWith(ViewRules.LibraryPrefix, StringComparison.Ordinal)
                    && sources[place].Length > ViewRules.LibraryPrefix.Length);
            if (!isKnown)
            {
                report($"{key}:{place}", "is no source; give historical, webhook, capture, or such as lib:posthog-python");
            }
        }
    }

    private static void CheckId(string key, string id, Action<string, string> report)
    {
        if (id.Length > IdCharactersMax || !id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-'))
        {
            report(key, $"is not a connection id; give at most {IdCharactersMax} characters of a-z, 0-9 and -");
        }
    }

    private static void CheckSources(string key, ConnectionOptions connection, Action<string, string> report)
    {
        if (connection.Tokens.Count == 0 && connection.WebhookSecret.Length == 0)
        {
            report(key, "no event can reach this connection; give it tokens, a webhook-secret, or both");
        }
    }

    /// <summary>The address may hold a key in its path or query, so it is not shown.</summary>
    private static void CheckUrl(string key, ConnectionOptions connection, Action<string, string> report)
    {
        var url = connection.Url;
        if (url.Length == 0)
        {
            return;
        }

        if (url.Length > UrlCharactersMax
            || url.Any(c => char.IsControl(c) || char.IsWhiteSpace(c))
            || !Uri.TryCreate(url, UriKind.Absolute, out var uri)
            || (uri.Scheme != Uri.UriSchemeHttp && uri.Scheme != Uri.UriSchemeHttps)
            || uri.Host.Length == 0)
        {
            report(key, "is not an absolute http or https address; give one such as \"https://host/path\"");
        }
        else if (uri.UserInfo.Length > 0)
        {
            report(key, "has a user name or password in it; remove them and use the key authorization");
        }
        else if (uri.Scheme == Uri.UriSchemeHttp && !connection.AllowPrivateNetwork)
        {
            report(key, "is plain http; give https, or set allow-private-network = on for a receiver of your own");
        }
    }

    private static void CheckRate(string key, RateOptions rate, Action<string, string> report)
    {
        if (rate is { Adaptive: true, PerSecond: 0 })
        {
            report($"{key}:adaptive", "is on but per-second is 0, no limit; give the highest rate that is worth trying");
        }
        else if (rate.Adaptive && rate.PerSecondMin > rate.PerSecond)
        {
            report($"{key}:per-second-min", $"must not be above per-second, which is {rate.PerSecond}");
        }
    }

    private static void CheckAuthorization(string key, string authorization, Action<string, string> report)
    {
        if (authorization.Length > AuthorizationCharactersMax)
        {
            report(key, $"is longer than {AuthorizationCharactersMax} characters; give a shorter one");
        }
        else if (!authorization.All(c => c is >= ' ' and <= '~'))
        {
            report(key, "has characters that do not fit into a header; give one line of visible ASCII characters");
        }
    }

    private static void CheckAccounts(string key, AccountMatchingOptions accounts, Action<string, string> report)
    {
        CheckPaths($"{key}:id-paths", accounts.IdPaths, report);
        CheckPaths($"{key}:name-paths", accounts.NamePaths, report);
        CheckPaths($"{key}:email-path", [accounts.EmailPath], report);
        CheckDomains($"{key}:no-account-domains", accounts.NoAccountDomains, report);
        CheckDomains($"{key}:account-domains", accounts.AccountDomains, report);
    }

    private static void CheckPaths(string key, IReadOnlyList<string> paths, Action<string, string> report)
    {
        foreach (var path in paths.Where(path => path.Split('.').Any(string.IsNullOrWhiteSpace)))
        {
            report(key, $"'{path}' is no path of a trait; give names with dots between them, such as company.id");
        }
    }

    private static void CheckDomains(string key, IReadOnlyList<string> domains, Action<string, string> report)
    {
        foreach (var domain in domains.Where(domain => RegistrableDomain.Normalize(domain) is null))
        {
            report(key, $"'{domain}' is no domain; give one such as example.com");
        }
    }

    private static void CheckStages(string key, StagesOptions stages, Action<string, string> report)
    {
        foreach (var fault in StageRuleReader.ReadContacts(stages.Contacts, stages.ContactPolicy).Faults)
        {
            report($"{key}:contacts", fault);
        }

        foreach (var fault in StageRuleReader.ReadAccounts(stages.Accounts, stages.AccountPolicy).Faults)
        {
            report($"{key}:accounts", fault);
        }
    }

    private static void CheckSecretOwner(
        string key, string id, string secret, Dictionary<string, string> owners, Action<string, string> report)
    {
        if (secret.Length > 0 && !owners.TryAdd(secret, id))
        {
            report(key, $"is also the secret of connection {owners[secret]}; give each connection its own");
        }
    }

    private static void CheckTokens(
        string key,
        string id,
        IReadOnlyList<string> tokens,
        Dictionary<string, string> owners,
        Action<string, string> report)
    {
        for (var i = 0; i < tokens.Count; i++)
        {
            var token = tokens[i];
            var name = $"token {i + 1}";
            if (token.StartsWith("phx_", StringComparison.Ordinal))
            {
                report(key, $"{name} is a personal API key; revoke it at PostHog and give the project token (phc_...)");
            }
            else if (token.Length is 0 or > TokenCharactersMax || !token.All(c => c is > ' ' and <= '~'))
            {
                report(key, $"{name} is no project token; give 1 to {TokenCharactersMax} ASCII characters (phc_...)");
            }
            else if (!owners.TryAdd(token, id))
            {
                report(key, $"{name} is already a token of connection {owners[token]}; a token feeds one connection");
            }
        }
    }
}
