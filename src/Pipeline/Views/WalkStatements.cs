using System.Globalization;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>At whom a walk is.</summary>
internal enum WalkPhase : byte
{
    Contacts,
    Accounts,
    Done,
}

/// <summary>How far everybody has been looked at with some rules.</summary>
/// <param name="Rules">The fingerprint of the rules.</param>
/// <param name="Since">When the walk began.</param>
/// <param name="Phase">At whom it is.</param>
/// <param name="Number">Up to which row.</param>
internal sealed record WalkPlace(ulong Rules, DateTimeOffset Since, WalkPhase Phase, long Number);

/// <summary>A contact of the lists.</summary>
internal readonly record struct WalkedContact(long Number, Guid Person, string UserId, string? Account);

/// <summary>An account of the lists.</summary>
internal readonly record struct WalkedAccount(long Number, string Id);

/// <summary>Walks over everybody of the lists, in the order of the rows: an index of the connection would have to be sorted for
/// each page.</summary>
internal static class WalkStatements
{
    private static readonly Statement SelectContacts = new("""
        SELECT c.number, c.person, c.user_id, a.id FROM view_contact c LEFT JOIN view_account a ON a.number = c.account
        WHERE c.connection + 0 = @connection AND c.number > @number ORDER BY c.number LIMIT @rows
        """);

    private static readonly Statement SelectAccounts = new("""
        SELECT number, id FROM view_account
        WHERE connection + 0 = @connection AND number > @number ORDER BY number LIMIT @rows
        """);

    public static List<WalkedContact> Contacts(Session session, int connection, long after, int rows) => session.Query(
        SelectContacts,
        row => new WalkedContact(
            row.GetInt64(0),
            new Guid(row.GetFieldValue<byte[]>(1), bigEndian: true),
            row.GetString(2),
            row.IsDBNull(3) ? null : row.GetString(3)),
        connection, after, rows);

    public static List<WalkedAccount> Accounts(Session session, int connection, long after, int rows) => session.Query(
        SelectAccounts, row => new WalkedAccount(row.GetInt64(0), row.GetString(1)), connection, after, rows);

    /// <summary>How far the last walk is; null if there was none.</summary>
    public static WalkPlace? Find(Session session, int connection)
    {
        if (SettingStatements.Find(session, NameOf(connection))?.Split(' ') is not [var rules, var since, var phase, var number])
        {
            return null;
        }

        return new WalkPlace(
            ulong.Parse(rules, NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(since, CultureInfo.InvariantCulture)),
            Enum.Parse<WalkPhase>(phase),
            long.Parse(number, CultureInfo.InvariantCulture));
    }

    public static bool Put(Session session, int connection, WalkPlace place)
    {
        SettingStatements.Put(session, NameOf(connection), string.Create(
            CultureInfo.InvariantCulture,
            $"{place.Rules:x} {place.Since.ToUnixTimeMilliseconds()} {place.Phase} {place.Number}"));
        return true;
    }

    /// <summary>Everybody is to be looked at again.</summary>
    public static void Forget(Session session, int connection) => SettingStatements.Remove(session, NameOf(connection));

    private static string NameOf(int connection) =>
        "rules-walk-" + connection.ToString(CultureInfo.InvariantCulture);
}
