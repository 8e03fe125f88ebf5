using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using VarianceActors.Pipeline.Views;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Views;

/// <summary>Lists of so many contacts that those who match cannot be read and sorted for each page.</summary>
public sealed class ViewListTests
{
    private const int Contacts = 5_400;
    private static readonly DateTimeOffset Nine = new(2026, 3, 1, 9, 0, 0, TimeSpan.Zero);
    private static readonly string[] First = ["Zoe", "Ädie", "Żaneta", "\U0001F600 Jo"];

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_search_sorted_by_name_shows_everybody_once_in_order_also_after_they_are_renamed(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var faces = Enumerable.Range(0, Contacts).Select(FaceOf).ToList();
        await FoldAsync(store, faces.Select((face, number) => EntryOf(face, number, version: 1)));
        for (var number = 0; number < Contacts; number += 7)
        {
            faces[number] = faces[number] with { Name = number % 2 == 0 ? $"Aa {number}" : null };
        }

        await FoldAsync(store, faces.Select((face, number) => EntryOf(face, number, version: 2)).Where((_, number) => number % 7 == 0));
        await FoldAsync(store, [EntryOf(faces[8], 8, version: 2) with { Face = null, IsNoContact = true }]);
        faces.RemoveAt(8);

        foreach (var search in (string[])["a", "acme", "acm com", "zo acme.com", "ä acme", "\U0001F600 a", "user", "zoe", "user-1 a"])
        {
            var words = ViewText.WordsOf(search);
            var expected = faces
                .Where(face => words.All(word => ViewText.TermsOf(face.Name, face.Email, face.UserId)
                    .Any(term => term.StartsWith(word, StringComparison.Ordinal))))
                .Select(face => (Sort: ViewText.SortOf(face.Name ?? face.Email), face.UserId))
                .Order(Comparer<(string Sort, string UserId)>.Create((one, other) => CompareBytes(one.Sort, other.Sort)));
            Assert.Equal(expected.Select(one => one.UserId), await WalkAsync(store, search));
        }
    }

    private static int CompareBytes(string one, string other) =>
        System.Text.Encoding.UTF8.GetBytes(one).AsSpan().SequenceCompareTo(System.Text.Encoding.UTF8.GetBytes(other));

    // The names differ, so that no order is left to the numbers of rows.
    private static ContactFace FaceOf(int number) => new(
        $"user-{number}", $"{First[number % 4]} {number * 7_919 % 50_021}", $"n{number}@acme.com", null, null, Nine, "{}");

    private static PersonEntry EntryOf(ContactFace face, int number, long version) =>
        new(Nine, new Guid(number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), version, [face.UserId], "") { Face = face };

    private static async Task<List<string>> WalkAsync(TemporaryDatabase store, string search)
    {
        var criteria = ViewCriteria.All with { Words = ViewText.WordsOf(search) };
        var users = new List<string>();
        ViewCursor? after = null;
        do
        {
            var (page, next) = await store.Database.ReadAsync(session =>
            {
                var (numbers, end) = new ViewList(session, 1, ViewStatements.OfContacts, []).Page(criteria, ViewSort.Name, after, 700);
                return (numbers.ConvertAll(number => session.Scalar(UserOf, number)), end);
            });
            users.AddRange(page.Cast<string>());
            after = next;
        }
        while (after is not null);
        return users;
    }

    private static readonly Statement UserOf = new("SELECT user_id FROM view_contact WHERE number = @number");

    // In transactions as short as the projector's.
    private static async Task FoldAsync(TemporaryDatabase store, IEnumerable<ViewEntry> entries)
    {
        foreach (var some in entries.Chunk(500))
        {
            await store.Database.WriteAsync(session =>
            {
                SettingStatements.NumberOf(session, "acme");
                var fold = new ViewFold(session, 1, 100);
                foreach (var entry in some)
                {
                    fold.Take(entry);
                }

                fold.Write();
                return true;
            });
        }
    }
}
