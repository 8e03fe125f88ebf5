using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>What an account itself tells Variance, in the mapping <c>contacts</c>: one group message with everything
/// that is known of it, and null for what is not known any more, and one track message for each change of its stage. Its contacts' own messages only name it, so
/// that its traits are written from one place, in order.</summary>
public static class AccountMapping
{
    private const string StageChanged = "Account Stage Changed";

    /// <summary>The messages of what changed after a version.</summary>
    /// <param name="account">The account.</param>
    /// <param name="after">The version that Variance has been told.</param>
    /// <param name="options">The connection's filters.</param>
    public static ImmutableArray<OutboundMessage> Map(AccountState account, long after, MappingOptions options)
    {
        // Where a stage is pinned in place nothing has changed that Variance sees.
        int inPlace = account.Moves.Count(move => move.Version > after && move.IsInPlace);
        if (account.Version - inPlace <= after || account.IsMerged)
            return [];
        var messages = ImmutableArray.CreateBuilder<OutboundMessage>();
        messages.Add(Group(account, options));
        if (options.StageChangeEvents)
        {
            foreach (var move in account.Moves)
            {
                if (move.Version > after && !move.IsInPlace)
                    messages.Add(Track(account, move, options));
            }
        }

        return messages.DrainToImmutable();
    }

    private static OutboundMessage Group(AccountState account, MappingOptions options)
    {
        var writer = Begin(
            account, MessageKind.Group, account.Version, account.ChangedAt, options, out string messageId);
        writer.Field("groupId"u8, account.Id.Key);
        writer.Name("traits"u8);
        writer.Open((byte)'{');
        foreach (var (name, value) in account.ShownTraits.OrderBy(trait => trait.Key, StringComparer.Ordinal))
        {
            var slice = JsonSlice.Of(value);
            bool isSent = !AccountState.OwnNames.Contains(name)
                && options.Sends(Encoding.UTF8.GetBytes(name), slice);
            if (!isSent)
                continue;
            writer.QuotedName(JsonSlice.OfString(name).Text.Span);
            writer.Value(slice);
        }

        if (account.Name is { } shown && options.Sends("name"u8, JsonSlice.OfString(shown)))
            writer.Field("name"u8, shown);
        var domains = account.ShownDomains;
        if (!domains.IsEmpty)
        {
            writer.Name("domains"u8);
            writer.Open((byte)'[');
            foreach (string domain in domains)
                writer.String(domain);
            writer.Close((byte)']');
        }

        if (account.Stage?.Name is { } stage)
            writer.Field("stage"u8, stage);
        if (account.GroupType is { Length: > 0 } type)
            writer.Field("posthog_group_type"u8, type);
        foreach (string name in account.Lost?.Except(account.ShownNames) ?? [])
        {
            if (!options.Sends(Encoding.UTF8.GetBytes(name), JsonSlice.Null))
                continue;
            writer.QuotedName(JsonSlice.OfString(name).Text.Span);
            writer.Value(JsonSlice.Null);
        }

        writer.Close((byte)'}');
        return End(writer, MessageKind.Group, messageId);
    }

    private static OutboundMessage Track(AccountState account, AccountMove move, MappingOptions options)
    {
        var writer = Begin(account, MessageKind.Track, move.Version, move.At, options, out string messageId);
        writer.Field("event"u8, StageChanged);
        writer.Stage(move.Move);
        return End(writer, MessageKind.Track, messageId);
    }

    // Nobody's user id: what a contact says of itself is in the contact's own lane. The anonymous id is the one that
    // PostHog's SDKs make up for group calls of nobody.
    private static BodyWriter Begin(
        AccountState account,
        MessageKind kind,
        long version,
        DateTimeOffset at,
        MappingOptions options,
        out string messageId)
    {
        string place = version.ToString(CultureInfo.InvariantCulture);
        messageId = UuidV5.Create(account.Id.Uuid, $"{PluginMapping.TypeOf(kind)}:{place}").ToString();
        string type = account.GroupType is { Length: > 0 } known ? known : options.GroupType;
        var writer = new BodyWriter();
        writer.Open((byte)'{');
        writer.Field("type"u8, PluginMapping.TypeOf(kind));
        writer.Field("messageId"u8, messageId);
        writer.Field("timestamp"u8, EventFields.Iso(at));
        writer.Field("anonymousId"u8, $"${(type.Length == 0 ? "group" : type)}_{account.Id.Key}");
        writer.Name("context"u8);
        writer.Open((byte)'{');
        writer.Library("library"u8);
        writer.Field("groupId"u8, account.Id.Key);
        writer.Close((byte)'}');
        return writer;
    }

    private static OutboundMessage End(BodyWriter writer, MessageKind kind, string messageId)
    {
        writer.Close((byte)'}');
        return new OutboundMessage(kind, messageId, writer.ToBody());
    }
}
