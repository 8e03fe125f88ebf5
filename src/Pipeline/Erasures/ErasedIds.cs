using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>How far an id is erased.</summary>
internal enum ErasedLevel : byte
{
    /// <summary>Nothing is sent for it.</summary>
    Muted = 1,

    /// <summary>What comes for it is not learnt either.</summary>
    Suppressed = 2,

    /// <summary>Its home must not write any more.</summary>
    Gone = 3,
}

/// <summary>An erased id as the database knows it.</summary>
/// <param name="Connection">The number of its connection.</param>
/// <param name="Hash">The first half of a salted hash.</param>
internal readonly record struct ErasedKey(int Connection, UInt128 Hash);

/// <summary>Which ids are erased, at one moment. Without any for a connection, asking costs nothing.</summary>
public sealed class ErasedSet
{
    internal static readonly ErasedSet Empty = new(0, [], []);
    private const int StackBytes = 512;
    private const int HashBytes = 16;
    private readonly byte[] _salt;
    private readonly Dictionary<ErasedKey, ErasedLevel> _levelByKey;
    private readonly FrozenSet<int> _connections;

    internal ErasedSet(long version, byte[] salt, Dictionary<ErasedKey, ErasedLevel> levelByKey)
    {
        (Version, _salt, _levelByKey) = (version, salt, levelByKey);
        _connections = levelByKey.Keys.Select(key => key.Connection).ToFrozenSet();
    }

    /// <summary>The number of the last change that it knows.</summary>
    public long Version { get; }

    internal IReadOnlyDictionary<ErasedKey, ErasedLevel> Keys => _levelByKey;

    /// <summary>Whether any id of a connection is erased.</summary>
    public bool Any(int connection) => _connections.Contains(connection);

    /// <summary>Whether nothing may be sent for an id.</summary>
    public bool IsMuted(int connection, string distinctId) => LevelOf(connection, distinctId) >= ErasedLevel.Muted;

    /// <summary>Whether nothing may be learnt of an id.</summary>
    public bool IsSuppressed(int connection, string distinctId) =>
        LevelOf(connection, distinctId) >= ErasedLevel.Suppressed;

    /// <summary>Whether the home of an id must not write any more.</summary>
    public bool IsGone(int connection, string distinctId) => LevelOf(connection, distinctId) == ErasedLevel.Gone;

    private ErasedLevel LevelOf(int connection, string distinctId) =>
        Any(connection) ? _levelByKey.GetValueOrDefault(KeyOf(_salt, connection, distinctId)) : default;

    /// <summary>How the database knows an id.</summary>
    internal static ErasedKey KeyOf(byte[] salt, int connection, string distinctId)
    {
        var length = sizeof(int) + Encoding.UTF8.GetMaxByteCount(distinctId.Length);
        var rented = length > StackBytes ? ArrayPool<byte>.Shared.Rent(length) : null;
        var text = rented ?? stackalloc byte[StackBytes];
        BinaryPrimitives.WriteInt32BigEndian(text, connection);
        var written = sizeof(int) + Encoding.UTF8.GetBytes(distinctId, text[sizeof(int)..]);
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(salt, text[..written], hash);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented, clearArray: true);
        }

        return new ErasedKey(connection, BinaryPrimitives.ReadUInt128BigEndian(hash[..HashBytes]));
    }
}

/// <summary>
/// What this node knows of the erased ids. Whoever reads events of the inbox brings it up to date in the same transaction, so
/// that no event which was accepted after an erasure began is read without knowing of it.
/// </summary>
public sealed class ErasedIds
{
    private readonly Lock _lock = new();
    private volatile ErasedSet _now = ErasedSet.Empty;
    private int _hasSuppressed;

    /// <summary>As far as this node knows.</summary>
    public ErasedSet Now => _now;

    /// <summary>Notes that this node took events of erased ids out of the inbox: they may still be read in a log.</summary>
    public void NoteSuppressed() => Interlocked.Exchange(ref _hasSuppressed, 1);

    /// <summary>Whether that was noted since it was asked last.</summary>
    public bool TakeSuppressed() => Interlocked.Exchange(ref _hasSuppressed, 0) == 1;

    /// <summary>Those that the transaction sees, or a newer state.</summary>
    public ErasedSet Refresh(Session session)
    {
        var (version, lifted) = ErasedIdStatements.ReadVersion(session);
        var now = _now;
        if (version <= now.Version)
        {
            return now;
        }

        var keys = now.Version >= lifted ? new Dictionary<ErasedKey, ErasedLevel>(now.Keys) : [];
        foreach (var (key, level) in ErasedIdStatements.ReadAfter(session, now.Version >= lifted ? now.Version : 0))
        {
            keys[key] = level;
        }

        return Publish(new ErasedSet(version, ErasedIdStatements.Salt(session), keys));
    }

    /// <summary>Those that the database has now.</summary>
    public Task<ErasedSet> RefreshAsync(PipelineDatabase database, CancellationToken cancellationToken = default) =>
        database.ReadAsync(Refresh, cancellationToken);

    private ErasedSet Publish(ErasedSet read)
    {
        lock (_lock)
        {
            return _now = read.Version > _now.Version ? read : _now;
        }
    }
}

/// <summary>Everything that is said to the tables of erased ids.</summary>
internal static class ErasedIdStatements
{
    private const string SaltName = "erasure-salt";
    private const int SaltBytes = 32;

    private static readonly Statement SelectVersion = new("SELECT version, lifted FROM erased_version WHERE id = 1");

    private static readonly Statement RaiseVersion = new(
        "UPDATE erased_version SET version = version + 1 WHERE id = 1 RETURNING version");

    private static readonly Statement MarkLifted = new("UPDATE erased_version SET lifted = version WHERE id = 1");

    private static readonly Statement SelectAfter = new(
        "SELECT connection, hash, level FROM erased_id WHERE version > @version");

    private static readonly Statement Put = new("""
        INSERT INTO erased_id (connection, hash, version, level, erased_at)
        VALUES (@connection, @hash, @version, @level, @erased_at)
        ON CONFLICT (connection, hash) DO UPDATE SET version = excluded.version,
            level = CASE WHEN excluded.level > erased_id.level THEN excluded.level ELSE erased_id.level END
        """);

    private static readonly Statement SelectOne = new(
        "SELECT 1 FROM erased_id WHERE connection = @connection AND hash = @hash");

    private static readonly Statement Delete = new(
        "DELETE FROM erased_id WHERE connection = @connection AND hash = @hash");

    public static (long Version, long Lifted) ReadVersion(Session session) =>
        session.Query(SelectVersion, row => (row.GetInt64(0), row.GetInt64(1)))[0];

    public static List<(ErasedKey Key, ErasedLevel Level)> ReadAfter(Session session, long version) => session.Query(
        SelectAfter,
        row => (
            new ErasedKey(row.GetInt32(0), BinaryPrimitives.ReadUInt128BigEndian(row.GetFieldValue<byte[]>(1))),
            (ErasedLevel)row.GetInt32(2)),
        version);

    public static byte[] Salt(Session session) => Convert.FromBase64String(SettingStatements.Find(session, SaltName)!);

    /// <summary>Puts ids among the erased ones.</summary>
    public static void Add(
        Session session, int connection, IEnumerable<string> distinctIds, ErasedLevel level, DateTimeOffset now)
    {
        var salt = Convert.FromBase64String(SettingStatements.Fix(
            session, SaltName, Convert.ToBase64String(RandomNumberGenerator.GetBytes(SaltBytes))));
        var version = (long)session.Scalar(RaiseVersion)!;
        foreach (var id in distinctIds)
        {
            session.Post(
                Put,
                connection,
                Bytes(ErasedSet.KeyOf(salt, connection, id)),
                version,
                (int)level,
                now.ToUnixTimeMilliseconds());
        }
    }

    /// <summary>Whether an id is erased, as the transaction sees it.</summary>
    public static bool Contains(Session session, int connection, string distinctId) =>
        SettingStatements.Find(session, SaltName) is { } salt
        && session.Scalar(
            SelectOne,
            connection,
            Bytes(ErasedSet.KeyOf(Convert.FromBase64String(salt), connection, distinctId))) is not null;

    /// <returns>False if the id was not among them.</returns>
    public static bool Lift(Session session, int connection, string distinctId)
    {
        if (SettingStatements.Find(session, SaltName) is not { } salt)
        {
            return false;
        }

        session.Scalar(RaiseVersion);
        session.Execute(MarkLifted);
        var key = ErasedSet.KeyOf(Convert.FromBase64String(salt), connection, distinctId);
        return session.Execute(Delete, connection, Bytes(key)) > 0;
    }

    private static byte[] Bytes(ErasedKey key)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, key.Hash);
        return bytes;
    }
}
