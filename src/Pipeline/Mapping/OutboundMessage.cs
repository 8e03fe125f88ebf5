using System.Text.Json;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>The Segment call that a message is.</summary>
public enum MessageKind : byte
{
    /// <summary>Two ids are one user.</summary>
    Alias = 1,

    /// <summary>A contact's merged traits: a snapshot.</summary>
    Identify = 2,

    /// <summary>An account's merged traits: a snapshot.</summary>
    Group = 3,

    /// <summary>A page view.</summary>
    Page = 4,

    /// <summary>A screen view.</summary>
    Screen = 5,

    /// <summary>An action.</summary>
    Track = 6,
}

/// <summary>One JSON body for Variance.</summary>
/// <param name="Kind">The Segment call.</param>
/// <param name="MessageId">The body's <c>messageId</c>: the event's uuid for its main message, a UUIDv5 of it for
/// derived ones.</param>
/// <param name="Body">The exact bytes of the POST, UTF-8 JSON; the same on every attempt.</param>
public sealed record OutboundMessage(MessageKind Kind, string MessageId, ReadOnlyMemory<byte> Body)
{
    /// <summary>The body as a tree, however deep it is.</summary>
    public JsonDocument ReadBody() => JsonDocument.Parse(Body, MappingLimits.Document);
}
