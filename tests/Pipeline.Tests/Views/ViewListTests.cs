using System.Globalization;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using VarianceActors.Pipeline.Views;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Views;

/// <summary>Lists of so many contacts that those who match cannot be read and sorted for each page.</summary>
public sealed class ViewListTests
{
    private const int Contacts = 5_400;
    private const int Crowd = 600;
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

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Where_filters_that_many_match_hardly_meet_pages_end_before_they_are_full_and_none_is_left_out(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await FoldAsync(store, Enumerable.Range(0, Crowd).SelectMany<int, ViewEntry>(number => [ContactOf(number), AccountOf(number)]));
        foreach (var sort in Enum.GetValues<ViewSort>())
        {
            foreach (var criteria in (ViewCriteria[])
            [
                ViewCriteria.All with { Domain = "gmail.com", Stage = "active" },
                ViewCriteria.All with { Domain = "gmail.com", Stage = "active", SeenSince = Nine },
                ViewCriteria.All with { Words = ["odd", "even"] },
                ViewCriteria.All with { Words = ["even"], Stage = "active" },
            ])
            {
                await AssertShortPagesAsync(store, ViewStatements.OfContacts, criteria, sort);
                await AssertShortPagesAsync(store, ViewStatements.OfAccounts, criteria, sort);
            }
        }
    }

    private static async Task AssertShortPagesAsync(TemporaryDatabase store, int kind, ViewCriteria criteria, ViewSort sort)
    {
        const int workMax = 200;
        var order = Enumerable.Range(0, Crowd).OrderBy(number => sort is ViewSort.Name ? number : -number).ToList();
        var found = new List<int>();
        var (pages, place) = (0, 0);
        ViewCursor? after = null;
        do
        {
            var (page, next) = await store.Database.ReadAsync(session =>
            {
                var list = new ViewList(session, 1, kind, ["active", "lead"], workMax, fewMax: 50);
                var (numbers, end) = list.Page(criteria, sort, after, 10);
                return (numbers.ConvertAll(number => NumberOf(session, kind, number)), end is null ? null : ViewCursor.Parse(end.ToString()));
            });
            found.AddRange(page);
            after = next;
            pages++;
            if (next is not null && sort is not ViewSort.Stage)
            {
                var looked = order.IndexOf(await store.Database.ReadAsync(session => NumberOf(session, kind, next.Number))) + 1;
                Assert.InRange(looked - place, 1, workMax);
                place = looked;
            }
        }
        while (after is not null);

        Assert.Equal(order.Where(IsBoth), found);
        Assert.InRange(pages, 2, 10 * Crowd);
    }

    private static int NumberOf(Session session, int kind, long row) => int.Parse(
        (string)session.Scalar(kind == ViewStatements.OfContacts ? UserOf : AccountIdOf, row)!, CultureInfo.InvariantCulture);

    // Nobody is odd and even but for a few. In the order of numbers, of names, and of times.
    private static bool IsBoth(int number) => number % 190 == 0;

    private static string NameOf(int number) =>
        string.Create(CultureInfo.InvariantCulture, $"N{number:0000} {(IsBoth(number) ? "odd even" : number % 2 == 0 ? "even" : "odd")}");

    private static StageFace StageOf(int number) =>
        new(IsBoth(number) || number % 2 == 1 ? "active" : "lead", Nine, "always", null);

    private static string DomainOf(int number) => IsBoth(number) || number % 2 == 0 ? "gmail.com" : "acme.com";

    private static PersonEntry ContactOf(int number)
    {
        var id = number.ToString(CultureInfo.InvariantCulture);
        var at = Nine.AddMinutes(number);
        return new PersonEntry(at, new Guid(number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), 1, [id], id)
        {
            Event = new EventSeen(new Guid(number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2), "seen", true, true),
            Face = new ContactFace(id, NameOf(number), $"{id}@{DomainOf(number)}", null, StageOf(number), at, "{}"),
        };
    }

    private static AccountEntry AccountOf(int number) => new(
        Nine.AddMinutes(number),
        number.ToString(CultureInfo.InvariantCulture),
        1,
        NameOf(number),
        null,
        StageOf(number),
        1,
        [DomainOf(number)],
        "{}");

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

    private static readonly Statement AccountIdOf = new("SELECT id FROM view_account WHERE number = @number");

    private static readonly Statement UserOf = new("SELECT user_id FROM view_contact WHERE number = @number");

    // In transactions as short as the projector's.
    private static async Task FoldAsync(TemporaryDatabase store, IEnumerable<ViewEntry> entries)
    {
        foreach (var some in entries.Chunk(100))
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
