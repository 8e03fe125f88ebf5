using System.Collections.Immutable;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>The mapping <c>contacts</c>: canonical user ids, no user id for anybody who is not identified, an alias
/// before anything that builds on a merge, merged traits. Names of properties are taken as they are, not as
/// paths.</summary>
public static class ContactsMapping
{
    /// <summary>Maps one event.</summary>
    /// <param name="captured">The event.</param>
    /// <param name="person">Its person after the event; null for a personless event or one without a distinct
    /// id.</param>
    /// <param name="change">What the event changed.</param>
    /// <param name="account">The account that the person belongs to; null if none is known.</param>
    /// <param name="options">The connection's filters.</param>
    public static MappingOutcome Map(
        CaptureEvent captured,
        PersonSnapshot? person,
        EventChange change,
        AccountSnapshot? account,
        MappingOptions options)
    {
        var fields = new EventFields(captured, options);
        var messages = new ContactMessages(captured, fields, IsGroupsOwnId(captured, fields) ? null : person, account, change);
        if (!messages.HasSender)
            return MappingOutcome.Filtered(FilterReasons.NoDistinctId);

        string reason = ReasonAgainst(captured, fields, options);
        var sent = InOrder(messages, captured.Event, change, reason.Length == 0, account is not null, options);
        return sent.IsEmpty ? MappingOutcome.Filtered(reason) : MappingOutcome.Send(sent);
    }

    private static ImmutableArray<OutboundMessage> InOrder(
        ContactMessages messages, string name, EventChange change, bool sendsItself, bool hasAccount,
        MappingOptions options)
    {
        var sent = ImmutableArray.CreateBuilder<OutboundMessage>();
        if (messages.IsIdentified)
            sent.AddRange(change.GivenUpIds.Select(messages.Alias).OfType<OutboundMessage>());

        bool isIdentify = sendsItself && name is (EventNames.Identify or EventNames.Set);
        if (isIdentify)
            sent.Add(messages.Main());
        else if (change.ContactChanged && messages.IsIdentified)
            sent.Add(messages.DerivedIdentify());

        bool isGroup = sendsItself && name == EventNames.GroupIdentify;
        if (change.AccountChanged && hasAccount && !isGroup)
            sent.Add(messages.AccountGroup());
        if (sendsItself && !isIdentify)
            sent.Add(messages.Main());
        if (change.Stage is not null && options.StageChangeEvents && messages.IsIdentified)
            sent.Add(messages.StageChanged(change.Stage));
        return sent.ToImmutable();
    }

    /// <summary>Why the event itself is not sent; empty if it is.</summary>
    private static string ReasonAgainst(CaptureEvent captured, EventFields fields, MappingOptions options)
    {
        if (!options.Allows(captured.Event))
            return FilterReasons.EventNotAllowed;
        return captured.Event switch
        {
            EventNames.GroupIdentify => ReasonAgainstGroup(fields, options),
            EventNames.CreateAlias or EventNames.MergeDangerously => FilterReasons.NothingNew,
            EventNames.Identify or EventNames.Set => fields.IsPersonless ? FilterReasons.NothingNew : "",
            EventNames.PageView or EventNames.Screen => "",
            _ => captured.Event.StartsWith('$') ? FilterReasons.UnsupportedEvent : "",
        };
    }

    private static string ReasonAgainstGroup(EventFields fields, MappingOptions options)
    {
        if (options.GroupType.Length > 0 && fields.Property("$group_type"u8).AsString() != options.GroupType)
            return FilterReasons.OtherGroupType;
        return fields.Property("$group_key"u8).IsId ? "" : FilterReasons.NoGroupKey;
    }

    /// <summary>SDKs send group calls of nobody under the id <c>$type_key</c>; that is the group, not a
    /// person.</summary>
    private static bool IsGroupsOwnId(CaptureEvent captured, EventFields fields)
    {
        if (captured.Event != EventNames.GroupIdentify || !captured.DistinctId.StartsWith('$'))
            return false;
        string key = fields.Property("$group_key"u8).AsIdText();
        return captured.DistinctId == $"${fields.Property("$group_type"u8).AsString()}_{key}";
    }
}
