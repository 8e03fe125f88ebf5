using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace VarianceActors.Pipeline.People;

/// <summary>The home of one distinct id in one connection: the identity of a person's entity.</summary>
/// <param name="ConnectionId">The connection, as configured; never contains NUL.</param>
/// <param name="DistinctId">Any Unicode text without lone surrogates, up to about 400 code points.</param>
public sealed record PersonId(string ConnectionId, string DistinctId)
{
    private const int ConnectionCharsMax = 64;
    private static readonly SearchValues<char> PlainChars =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");

    private PersonPriority? _priority;

    /// <summary>The fixed rank in merges: a root is only ever linked under a root of higher priority.</summary>
    [JsonIgnore]
    public PersonPriority Priority => _priority ??= PersonPriority.Of(ConnectionId, DistinctId);

    /// <summary>Short, safe in paths and column widths, and different for different homes.</summary>
    [JsonIgnore]
    public string EntityId => $"{Plain(ConnectionId)}-{Priority}";

    /// <summary>The key of the home's journal.</summary>
    [JsonIgnore]
    public string PersistenceId => PersistenceIdOf(EntityId);

    /// <summary>The journal's key for an entity id that came out of <see cref="EntityId"/>.</summary>
    public static string PersistenceIdOf(string entityId) => $"person-{entityId}";

    /// <summary>The home of another distinct id in the same connection.</summary>
    public PersonId Beside(string distinctId) => new(ConnectionId, distinctId);

    /// <summary>Homes are equal when both parts are; what is computed from them does not count.</summary>
    public bool Equals(PersonId? other) =>
        other is not null && DistinctId == other.DistinctId && ConnectionId == other.ConnectionId;

    /// <inheritdoc />
    public override int GetHashCode() => HashCode.Combine(ConnectionId, DistinctId);

    // The hash in the priority already covers the connection; the prefix is there for people who read journals.
    private static string Plain(string connection)
    {
        Span<char> plain = stackalloc char[Math.Min(connection.Length, ConnectionCharsMax)];
        for (var at = 0; at < plain.Length; at++)
        {
            plain[at] = PlainChars.Contains(connection[at]) ? connection[at] : '_';
        }

        return new string(plain);
    }
}

/// <summary>SHA-256 of connection and distinct id, compared as bytes, most significant first.</summary>
public sealed record PersonPriority(ulong First, ulong Second, ulong Third, ulong Fourth)
    : IComparable<PersonPriority>
{
    /// <summary>The lane of everything that a person with this root sends.</summary>
    public ulong Lane => First;

    /// <summary>The priority of a home.</summary>
    public static PersonPriority Of(string connectionId, string distinctId)
    {
        var length = Encoding.UTF8.GetByteCount(connectionId) + 1 + Encoding.UTF8.GetByteCount(distinctId);
        var rented = ArrayPool<byte>.Shared.Rent(length);
        var text = rented.AsSpan(0, length);
        var written = Encoding.UTF8.GetBytes(connectionId, text);
        text[written] = 0;
        Encoding.UTF8.GetBytes(distinctId, text[(written + 1)..]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text, hash);
        ArrayPool<byte>.Shared.Return(rented);
        return new PersonPriority(
            BinaryPrimitives.ReadUInt64BigEndian(hash),
            BinaryPrimitives.ReadUInt64BigEndian(hash[8..]),
            BinaryPrimitives.ReadUInt64BigEndian(hash[16..]),
            BinaryPrimitives.ReadUInt64BigEndian(hash[24..]));
    }

    /// <inheritdoc />
    public int CompareTo(PersonPriority? other) => other is null
        ? 1
        : (First, Second, Third, Fourth).CompareTo((other.First, other.Second, other.Third, other.Fourth));

    /// <summary>The hash in base64url, 43 characters.</summary>
    public override string ToString()
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        BinaryPrimitives.WriteUInt64BigEndian(hash, First);
        BinaryPrimitives.WriteUInt64BigEndian(hash[8..], Second);
        BinaryPrimitives.WriteUInt64BigEndian(hash[16..], Third);
        BinaryPrimitives.WriteUInt64BigEndian(hash[24..], Fourth);
        return Base64Url.EncodeToString(hash);
    }

    /// <summary>Compares as bytes.</summary>
    public static bool operator <(PersonPriority left, PersonPriority right) => left.CompareTo(right) < 0;

    /// <summary>Compares as bytes.</summary>
    public static bool operator >(PersonPriority left, PersonPriority right) => left.CompareTo(right) > 0;

    /// <summary>Compares as bytes.</summary>
    public static bool operator <=(PersonPriority left, PersonPriority right) => left.CompareTo(right) <= 0;

    /// <summary>Compares as bytes.</summary>
    public static bool operator >=(PersonPriority left, PersonPriority right) => left.CompareTo(right) >= 0;
}
