using System.ComponentModel.DataAnnotations;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline;

/// <summary>One PostHog project feeding one Variance connection: <c>variance.connections.ID</c>, laid over
/// <c>variance.connection-defaults</c>.</summary>
public sealed class ConnectionOptions
{
    /// <summary>PostHog project tokens: trimmed, 1 to 64 ASCII characters, no personal keys (posthog.md C3).</summary>
    public required IReadOnlyList<string> Tokens { get; set; }

    /// <summary>Secret of the webhook door; empty: no webhook.</summary>
    public required string WebhookSecret { get; set; }

    /// <summary>Absolute address of the receiver; empty: a dry run.</summary>
    public required string Url { get; set; }

    /// <summary>Value of the <c>Authorization</c> header; secret; empty: none.</summary>
    public required string Authorization { get; set; }

    /// <summary>How posts are signed.</summary>
    public required SignatureOptions Signature { get; set; }

    /// <summary>Further headers of every post, each <c>Name: value</c>; the values are secret.</summary>
    public required IReadOnlyList<string> Headers { get; set; }

    /// <summary>How events become messages.</summary>
    public MappingKind Mapping { get; set; }

    /// <summary>Whether the receiver may be at a loopback, private or link-local address.</summary>
    public bool AllowPrivateNetwork { get; set; }

    /// <summary>PostHog group type that is an account; empty: every one.</summary>
    public required string GroupType { get; set; }

    /// <summary>How contacts find their account.</summary>
    public required AccountMatchingOptions Accounts { get; set; }

    /// <summary>Sources whose events do not move when somebody was last seen: <c>historical</c>, <c>webhook</c>,
    /// <c>capture</c>, or <c>lib:</c> and the name of a library.</summary>
    public required IReadOnlyList<string> LastSeenNotFrom { get; set; }

    /// <summary>Sales stages.</summary>
    public required StagesOptions Stages { get; set; }

    /// <summary>Speed limit for the whole cluster.</summary>
    public required RateOptions Rate { get; set; }

    /// <summary>How persons merge beyond PostHog's rules.</summary>
    public required IdentityOptions Identity { get; set; }

    /// <summary>What is not sent.</summary>
    public required FilterOptions Filters { get; set; }

    /// <summary>All rules that the options ask for, of identity, accounts and stages.</summary>
    /// <param name="updateAllProperties">See <see cref="PeopleOptions.UpdateAllProperties"/>.</param>
    public PersonRules ToRules(bool updateAllProperties) =>
        Identity.ToRules(updateAllProperties) with { Contacts = ToContactRules() };

    /// <summary>The rules of accounts and stages that the options ask for.</summary>
    /// <exception cref="InvalidOperationException">A stage is not written as stages are; the configuration was not
    /// checked.</exception>
    public ContactRules ToContactRules()
    {
        var contacts = StageRuleReader.ReadContacts(Stages.Contacts, Stages.ContactPolicy);
        var accounts = StageRuleReader.ReadAccounts(Stages.Accounts, Stages.AccountPolicy);
        return contacts.Rules is { } contactStages && accounts.Rules is { } accountStages
            ? ContactRules.Of(Accounts, GroupType, contactStages, accountStages)
            : throw new InvalidOperationException(string.Join("; ", contacts.Faults.AddRange(accounts.Faults)));
    }
}

/// <summary>Which headers a signature is.</summary>
public enum SignatureForm
{
    /// <summary><c>X-Signature</c>, as Variance's Segment connection checks it: HMAC-SHA1 of the body, lower-case hex.</summary>
    Segment,

    /// <summary><c>webhook-id</c>, <c>webhook-timestamp</c> and <c>webhook-signature</c>: Standard Webhooks, HMAC-SHA256.</summary>
    Standard,
}

/// <summary>How a connection's posts are signed: <c>signature</c>.</summary>
public sealed class SignatureOptions
{
    /// <summary>Which headers.</summary>
    public SignatureForm Form { get; set; }

    /// <summary>The secret shared with the receiver; empty: posts are not signed.</summary>
    public required string Secret { get; set; }

    /// <summary>The other secret while one is replaced; empty: none.</summary>
    public required string SecretOther { get; set; }
}

/// <summary>A connection's speed limit.</summary>
public sealed class RateOptions
{
    /// <summary>Messages a second, in the long run; 0: no limit.</summary>
    [Range(0, 1_000_000)]
    public int PerSecond { get; set; }

    /// <summary>Messages that may leave at once after a quiet time.</summary>
    [Range(1, 1_000_000)]
    public int Burst { get; set; }

    /// <summary>Whether the rate follows the receiver's 429.</summary>
    public bool Adaptive { get; set; }

    /// <summary>The lowest rate of an adaptive connection, in messages a second; never above <see cref="PerSecond"/>.</summary>
    [Range(1, 1_000_000)]
    public int PerSecondMin { get; set; }
}

/// <summary>What a connection does not send.</summary>
public sealed class FilterOptions
{
    /// <summary>Names of events that are sent; empty: all.</summary>
    public required IReadOnlyList<string> EventsAllowed { get; set; }

    /// <summary>Names of events that are not sent, even if allowed.</summary>
    public required IReadOnlyList<string> EventsDenied { get; set; }

    /// <summary>Names of properties that are cut out of every message.</summary>
    public required IReadOnlyList<string> PropertiesNeverSent { get; set; }
}
