using System.Collections.Immutable;
using System.Text;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>The messages that one event can become in the mapping <c>contacts</c>; which of them are sent is decided in
/// <see cref="ContactsMapping"/>.</summary>
internal sealed class ContactMessages
{
    private readonly CaptureEvent _captured;
    private readonly EventFields _fields;
    private readonly MessageContext _context;
    private readonly PersonSnapshot? _person;
    private readonly AccountSnapshot? _account;
    private readonly ImmutableArray<string> _removed;
    private readonly JsonSlice _user;
    private readonly JsonSlice _anonymous;

    public ContactMessages(
        CaptureEvent captured, EventFields fields, PersonSnapshot? person, AccountSnapshot? account, EventChange change)
    {
        _removed = change.Removed.IsDefault ? [] : [.. change.Removed.Where(name => !Has(person, account, name))];
        _captured = captured;
        _fields = fields;
        _context = new MessageContext(fields);
        _person = person;
        _account = account;
        _user = person?.UserId is { } user ? JsonSlice.OfString(user) : default;
        _anonymous = AnonymousId();
    }

    public bool IsIdentified => _user.IsDefined;

    public bool HasSender => IsIdentified || _anonymous.IsDefined;

    /// <summary>The message of the event itself, if it is to have one.</summary>
    public OutboundMessage Main() => _captured.Event switch
    {
        EventNames.Identify or EventNames.Set => Identify(_captured.Uuid),
        EventNames.GroupIdentify => EventGroup(),
        EventNames.PageView => Page(),
        EventNames.Screen => Screen(),
        _ => Track(),
    };

    /// <summary>One given-up id is the person's from now on; null if that is the id which the person keeps.</summary>
    public OutboundMessage? Alias(string previousId)
    {
        if (previousId == _person?.UserId)
            return null;
        var writer = Begin(MessageKind.Alias, Derived("alias:" + previousId), out string messageId, anonymous: default);
        writer.Field("previousId"u8, previousId);
        return End(writer, MessageKind.Alias, messageId);
    }

    public OutboundMessage DerivedIdentify() => Identify(Derived("identify"));

    /// <summary>The account that the contact was found to belong to.</summary>
    public OutboundMessage AccountGroup()
    {
        var writer = Begin(MessageKind.Group, Derived("group"), out string messageId, _anonymous);
        writer.Field("groupId"u8, _account!.Id);
        WriteAccountTraits(writer, groupType: default);
        return End(writer, MessageKind.Group, messageId);
    }

    /// <summary>The contact moved to another stage.</summary>
    public OutboundMessage StageChanged(StageMove move)
    {
        var writer = Begin(MessageKind.Track, Derived("stage"), out string messageId, _anonymous);
        writer.Field("event"u8, "Contact Stage Changed");
        writer.Stage(move);
        return End(writer, MessageKind.Track, messageId);
    }

    private OutboundMessage Identify(Guid id)
    {
        var writer = Begin(MessageKind.Identify, id, out string messageId, _anonymous);
        writer.Name("traits"u8);
        writer.Open((byte)'{');
        string? stage = _person?.Contact?.Stage?.Name;
        if (_person is null)
            WriteFields(writer, EventTraits());
        else
            WriteTraits(writer, _person.Properties, _account is null ? "" : "company", stage is null ? "" : "stage");
        WriteRemoved(writer);
        if (stage is not null)
            writer.Field("stage"u8, stage);
        if (_account is not null)
        {
            writer.Name("company"u8);
            writer.Open((byte)'{');
            writer.Field("id"u8, _account.Id);
            if (_account.Name is not null)
                writer.Field("name"u8, _account.Name);
            writer.Close((byte)'}');
        }

        writer.Close((byte)'}');
        return End(writer, MessageKind.Identify, messageId);
    }

    private OutboundMessage EventGroup()
    {
        var key = _fields.Property("$group_key"u8);
        var writer = Begin(MessageKind.Group, _captured.Uuid, out string messageId, _anonymous);
        writer.Field("groupId"u8, key);
        bool isTheAccount = _account is not null && _account.Id == key.AsIdText();
        var groupType = _fields.Property("$group_type"u8);
        if (_fields.AccountsSpeak)
            WriteGroupTypeOnly(writer, groupType);
        else if (isTheAccount)
            WriteAccountTraits(writer, groupType);
        else
            WriteGroupSet(writer, groupType);
        return End(writer, MessageKind.Group, messageId);
    }

    private OutboundMessage Page()
    {
        var writer = Begin(MessageKind.Page, _captured.Uuid, out string messageId, _anonymous);
        writer.Field("category"u8, _fields.Property("category"u8));
        writer.Field("name"u8, _fields.Property("name"u8));
        _context.WritePageProperties(writer);
        return End(writer, MessageKind.Page, messageId);
    }

    private OutboundMessage Screen()
    {
        var writer = Begin(MessageKind.Screen, _captured.Uuid, out string messageId, _anonymous);
        var name = _fields.Property("$screen_name"u8);
        writer.Field("name"u8, name.IsDefined ? name : _fields.Property("name"u8));
        WriteProperties(writer);
        return End(writer, MessageKind.Screen, messageId);
    }

    private OutboundMessage Track()
    {
        var writer = Begin(MessageKind.Track, _captured.Uuid, out string messageId, _anonymous);
        writer.Field("event"u8, _captured.Event);
        WriteProperties(writer);
        return End(writer, MessageKind.Track, messageId);
    }

    private BodyWriter Begin(MessageKind kind, Guid id, out string messageId, JsonSlice anonymous)
    {
        messageId = id.ToString();
        var writer = new BodyWriter();
        writer.Open((byte)'{');
        writer.Field("type"u8, PluginMapping.TypeOf(kind));
        writer.Field("messageId"u8, messageId);
        writer.Field("timestamp"u8, EventFields.Iso(_captured.Timestamp));
        writer.Field("sentAt"u8, _fields.Top("sent_at"u8));
        writer.Field("userId"u8, _user);
        writer.Field("anonymousId"u8, anonymous);
        WriteContext(writer);
        return writer;
    }

    private static OutboundMessage End(BodyWriter writer, MessageKind kind, string messageId)
    {
        writer.Close((byte)'}');
        return new OutboundMessage(kind, messageId, writer.ToBody());
    }

    private void WriteContext(BodyWriter writer)
    {
        writer.Name("context"u8);
        writer.Open((byte)'{');
        _context.WriteFields(writer);
        writer.Library("library"u8);
        if (_account is not null)
            writer.Field("groupId"u8, _account.Id);
        WriteContactTraits(writer);
        writer.Close((byte)'}');
    }

    /// <summary>Only of a contact: an e-mail address beside an anonymous id would make the visitor one.</summary>
    private void WriteContactTraits(BodyWriter writer)
    {
        if (!IsIdentified)
            return;
        var email = Trait("email");
        var name = Trait("name");
        if (!email.IsDefined && !name.IsDefined)
            return;
        writer.Name("traits"u8);
        writer.Open((byte)'{');
        writer.Field("email"u8, email);
        writer.Field("name"u8, name);
        writer.Close((byte)'}');
    }

    private JsonSlice Trait(string name) =>
        _person!.Properties.TryGetValue(name, out var value) && IsSent(name, value, out var slice)
            ? slice
            : default;

    private void WriteProperties(BodyWriter writer)
    {
        writer.Name("properties"u8);
        writer.Open((byte)'{');
        if (_fields.IsObject)
            WriteFields(writer, _fields.Properties);
        writer.Close((byte)'}');
    }

    private void WriteFields(BodyWriter writer, JsonFields fields)
    {
        for (int i = 0; i < fields.Count; i++)
        {
            var field = fields[i];
            var name = field.Name.Span;
            bool isSent = field.Value.IsDefined
                && !name.SequenceEqual("distinct_id"u8)
                && IsSent(name, field.Value);
            if (!isSent)
                continue;
            writer.QuotedName(field.QuotedName.Span);
            writer.Value(field.Value);
        }
    }

    private void WriteTraits(
        BodyWriter writer, IEnumerable<KeyValuePair<string, JsonValue>> traits, params string[] except)
    {
        foreach (var (name, value) in traits)
        {
            if (except.Contains(name) || !IsSent(name, value, out var slice))
                continue;
            writer.QuotedName(JsonSlice.OfString(name).Text.Span);
            writer.Value(slice);
        }
    }

    private void WriteRemoved(BodyWriter writer)
    {
        foreach (string name in _removed)
        {
            if (!IsSent(Encoding.UTF8.GetBytes(name), JsonSlice.Null))
                continue;
            writer.QuotedName(JsonSlice.OfString(name).Text.Span);
            writer.Value(JsonSlice.Null);
        }
    }

    private static bool Has(PersonSnapshot? person, AccountSnapshot? account, string name) =>
        person?.Properties.ContainsKey(name) is true
        || (name == "company" && account is not null)
        || (name == "stage" && person?.Contact?.Stage?.Name is not null);

    private bool IsSent(string name, JsonValue value, out JsonSlice sent)
    {
        sent = JsonSlice.Of(value);
        return IsSent(Encoding.UTF8.GetBytes(name), sent);
    }

    private bool IsSent(ReadOnlySpan<byte> name, JsonSlice value) => _fields.Sends(name, value);

    private void WriteAccountTraits(BodyWriter writer, JsonSlice groupType)
    {
        writer.Name("traits"u8);
        writer.Open((byte)'{');
        WriteTraits(writer, _account!.Traits, "name", "domains", "stage", "posthog_group_type");
        if (_account.Name is not null)
            writer.Field("name"u8, _account.Name);
        else if (_account.Traits.TryGetValue("name", out var named) && IsSent("name", named, out var name))
            writer.Field("name"u8, name);
        if (!_account.Domains.IsDefaultOrEmpty)
        {
            writer.Name("domains"u8);
            writer.Open((byte)'[');
            foreach (string domain in _account.Domains)
                writer.String(domain);
            writer.Close((byte)']');
        }

        if (_account.Stage is not null)
            writer.Field("stage"u8, _account.Stage);
        WriteGroupType(writer, groupType);
        writer.Close((byte)'}');
    }

    private static void WriteGroupTypeOnly(BodyWriter writer, JsonSlice groupType)
    {
        writer.Name("traits"u8);
        writer.Open((byte)'{');
        WriteGroupType(writer, groupType);
        writer.Close((byte)'}');
    }

    private static void WriteGroupType(BodyWriter writer, JsonSlice groupType)
    {
        if (!groupType.IsTokenLike)
            writer.Field("posthog_group_type"u8, groupType);
    }

    private void WriteGroupSet(BodyWriter writer, JsonSlice groupType)
    {
        writer.Name("traits"u8);
        writer.Open((byte)'{');
        var set = JsonFields.Of(_fields.Property("$group_set"u8));
        WriteFields(writer, set);
        if (!set.Find("posthog_group_type"u8).IsDefined)
            WriteGroupType(writer, groupType);
        writer.Close((byte)'}');
    }

    private JsonFields EventTraits()
    {
        var inside = JsonFields.Of(_fields.Property("$set"u8));
        return _captured.Door == Door.Capture ? inside.With(JsonFields.Of(_fields.Top("$set"u8))) : inside;
    }

    /// <summary>The original's rule, with the event's own distinct id behind it; a personless event has only that. A
    /// contact needs none that merely repeats the user id.</summary>
    private JsonSlice AnonymousId()
    {
        var own = _captured.DistinctId.Length > 0 ? JsonSlice.OfString(_captured.DistinctId) : default;
        if (_person is null && own.IsDefined)
            return own;
        var anonymous = _fields.Property("$anon_distinct_id"u8);
        if (!anonymous.IsId)
            anonymous = _fields.Property("$device_id"u8);
        if (!anonymous.IsId)
            anonymous = _fields.Property("distinct_id"u8);
        if (!IsIdentified)
            return anonymous.IsId ? anonymous : own;
        return anonymous.IsId && anonymous.AsString() != _person!.UserId ? anonymous : default;
    }

    private Guid Derived(string kind) => UuidV5.Create(_captured.Uuid, kind);
}
