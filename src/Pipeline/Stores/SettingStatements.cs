using System.Globalization;

namespace VarianceActors.Pipeline.Stores;

/// <summary>What is fixed in the database at the first start, and the numbers of the connections.</summary>
internal static class SettingStatements
{
    private static readonly Statement AddSetting = new(
        "INSERT INTO setting (name, value) VALUES (@name, @value) ON CONFLICT DO NOTHING");

    private static readonly Statement SelectSetting = new("SELECT value FROM setting WHERE name = @name");

    private static readonly Statement PutSetting = new("""
        INSERT INTO setting (name, value) VALUES (@name, @value)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        """);

    private static readonly Statement RemoveSetting = new("DELETE FROM setting WHERE name = @name");

    private static readonly Statement AddConnection = new(
        "INSERT INTO connection (id) VALUES (@id) ON CONFLICT DO NOTHING");

    private static readonly Statement SelectConnection = new("SELECT number FROM connection WHERE id = @id");

    /// <summary>The number under <paramref name="name"/>: what an earlier start wrote, or <paramref name="configured"/> from now on.</summary>
    public static int Fix(Session session, string name, int configured)
    {
        session.Execute(AddSetting, name, configured.ToString(CultureInfo.InvariantCulture));
        return int.Parse((string)session.Scalar(SelectSetting, name)!, CultureInfo.InvariantCulture);
    }

    /// <summary>The text under <paramref name="name"/>: what was written earlier, or <paramref name="text"/> from now on.</summary>
    public static string Fix(Session session, string name, string text)
    {
        session.Execute(AddSetting, name, text);
        return (string)session.Scalar(SelectSetting, name)!;
    }

    /// <summary>The text under <paramref name="name"/>; null if there is none.</summary>
    public static string? Find(Session session, string name) => session.Scalar(SelectSetting, name) as string;

    /// <summary>Writes the text under <paramref name="name"/>.</summary>
    public static void Put(Session session, string name, string text) => session.Execute(PutSetting, name, text);

    /// <summary>Takes the text under <paramref name="name"/> away.</summary>
    public static void Remove(Session session, string name) => session.Execute(RemoveSetting, name);

    /// <summary>The number of a connection, given to it when it was first seen.</summary>
    public static int NumberOf(Session session, string connectionId)
    {
        session.Execute(AddConnection, connectionId);
        return (int)(long)session.Scalar(SelectConnection, connectionId)!;
    }
}
