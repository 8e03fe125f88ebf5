using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>The mapping <c>plugin</c>: the body that PostHog's original Variance plugin 1.0.0 sent for the same event,
/// but for <c>libary</c> (its spelling), which names this project. Where the original failed on a <c>$current_url</c>
/// that is no URL, the body goes out without <c>search</c>. Rules: the recorded cases in
/// <c>tests/Conformance/plugin</c>.</summary>
public static class PluginMapping
{
    /// <summary>Maps one event; never to more than one message.</summary>
    public static MappingOutcome Map(CaptureEvent captured)
    {
        var fields = new EventFields(captured);
        if (!fields.Uuid.IsTruthy)
            return MappingOutcome.Filtered(FilterReasons.NoUuid);
        if (!fields.Timestamp.IsTruthy)
            return MappingOutcome.Filtered(FilterReasons.NoTimestamp);
        if (fields.Event.AsString() is not { } name)
            return MappingOutcome.Filtered(FilterReasons.NoEventName);
        if (KindOf(name) is not { } kind)
            return MappingOutcome.Filtered(FilterReasons.UnsupportedEvent);
        var body = Body(kind, captured.Door, fields);
        return MappingOutcome.Send([new OutboundMessage(kind, fields.Uuid.AsIdText(), body)]);
    }

    private static MessageKind? KindOf(string name) => name switch
    {
        "$create_alias" => MessageKind.Alias,
        "$groupidentify" => MessageKind.Group,
        "$identify" => MessageKind.Identify,
        "$pageview" => MessageKind.Page,
        _ => name.StartsWith('$') ? null : MessageKind.Track,
    };

    private static ReadOnlyMemory<byte> Body(MessageKind kind, Door door, EventFields fields)
    {
        var named = NamedOf(kind, door, fields);
        var context = new MessageContext(fields);
        var writer = new BodyWriter();
        writer.Open((byte)'{');
        writer.Library("libary"u8);
        writer.Field("messageId"u8, fields.Uuid);
        writer.Field("timestamp"u8, fields.Timestamp);
        writer.Field("anonymousId"u8, AnonymousId(fields), named);
        if (!context.IsEmpty)
        {
            writer.Name("context"u8);
            writer.Open((byte)'{');
            context.WriteFields(writer, named);
            writer.Close((byte)'}');
        }

        writer.Field("sentAt"u8, fields.Top("sent_at"u8));
        writer.Field("userId"u8, UserId(kind, fields));
        WriteCall(kind, fields, context, named, writer);
        writer.Close((byte)'}');
        return writer.ToBody();
    }

    private static void WriteCall(
        MessageKind kind, EventFields fields, MessageContext context, NamedValues? named, BodyWriter writer)
    {
        writer.Field("type"u8, TypeOf(kind));
        switch (kind)
        {
            case MessageKind.Alias:
                writer.Field("previousId"u8, fields.Path("properties.distinct_id"u8));
                break;
            case MessageKind.Group:
                writer.Field("groupId"u8, fields.Path("properties.$group_key"u8));
                break;
            case MessageKind.Page:
                writer.Field("category"u8, fields.Path("properties.category"u8));
                writer.Field("name"u8, fields.Path("properties.name"u8));
                context.WritePageProperties(writer);
                break;
            case MessageKind.Track:
                writer.Field("event"u8, fields.Event);
                break;
        }

        named?.Write(writer);
    }

    internal static string TypeOf(MessageKind kind) => kind switch
    {
        MessageKind.Alias => "alias",
        MessageKind.Identify => "identify",
        MessageKind.Group => "group",
        MessageKind.Page => "page",
        MessageKind.Screen => "screen",
        _ => "track",
    };

    private static NamedValues? NamedOf(MessageKind kind, Door door, EventFields fields) => kind switch
    {
        MessageKind.Identify => NamedValues.Of("traits", PersonTraits(door, fields)),
        MessageKind.Group => NamedValues.Of(
            "traits",
            JsonFields.OfAny(fields.Property("$groups"u8)),
            "posthog_group_type",
            fields.Path("properties.$group_type"u8)),
        MessageKind.Track => NamedValues.Of("properties", fields.Properties),
        _ => null,
    };

    /// <summary>PostHog lays a <c>$set</c> beside the properties over the one inside before any plugin sees the event.
    /// Events of the webhook have that behind them.</summary>
    private static JsonFields PersonTraits(Door door, EventFields fields)
    {
        var inside = JsonFields.OfAny(fields.Property("$set"u8));
        return door == Door.Capture ? inside.With(JsonFields.Of(fields.Top("$set"u8))) : inside;
    }

    private static JsonSlice AnonymousId(EventFields fields)
    {
        var anonymous = fields.Path("properties.$anon_distinct_id"u8);
        if (!anonymous.IsTruthy)
            anonymous = fields.Path("properties.$device_id"u8);
        return anonymous.IsTruthy ? anonymous : fields.Path("properties.distinct_id"u8);
    }

    private static JsonSlice UserId(MessageKind kind, EventFields fields)
    {
        if (kind == MessageKind.Alias && fields.Path("properties.alias"u8) is { IsDefined: true } alias)
            return alias;
        var given = fields.Top("$user_id"u8);
        return given.IsTruthy ? given : fields.DistinctId;
    }
}
