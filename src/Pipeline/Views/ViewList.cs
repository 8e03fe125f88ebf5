using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Data.Common;
using System.Globalization;
using System.Text;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>
/// Finds the items of one page. A filter that few match is read whole and then sorted; else the order is walked and each item
/// looked at, which is fast because many match, unless those who match come last in that order. By name they often do (who looks
/// for "zoe" finds Zoe), so what begins with the first characters of a word is kept in that order of its own. Of several filters
/// that many match it may be that hardly anybody matches all, so the work of a page is bounded: it ends where that much is looked
/// at, even if it is not full. docs/benchmarks.md has figures.
/// </summary>
/// <param name="session">A reading session.</param>
/// <param name="connection">The connection.</param>
/// <param name="kind"><see cref="ViewStatements.OfContacts"/> or <see cref="ViewStatements.OfAccounts"/>.</param>
/// <param name="stages">The connection's stages of that kind, the most advanced first.</param>
/// <param name="workMax">The work of a page, in halves of a microsecond as SQLite takes them.</param>
/// <param name="fewMax">How many matches are few.</param>
internal sealed class ViewList(
    Session session,
    int connection,
    int kind,
    ImmutableArray<string> stages,
    int workMax = ViewList.WorkMax,
    int fewMax = ViewList.FewMax)
{
    private const int WorkMax = 40_000;
    private const int FewMax = 5_000;

    /// <summary>At so many entries a page looks in any case.</summary>
    private const int EntriesMin = 50;

    /// <summary>How far the matches of words are counted to find the rarest one, all in all.</summary>
    private const int CountMax = 50_000;

    /// <summary>To look at an entry of an index that holds what is filtered by.</summary>
    private const int WorkOfEntry = 1;

    /// <summary>To look a word up.</summary>
    private const int WorkOfLookup = 4;

    /// <summary>To read a row from somewhere in the file.</summary>
    private const int WorkOfRow = 12;

    /// <summary>How many entries are counted for one.</summary>
    private const int CountedForOne = 10;

    private static readonly ConcurrentDictionary<string, Statement> Statements = new(StringComparer.Ordinal);

    private static readonly Statement SelectMerged = new("""
        SELECT number FROM view_account WHERE connection = @connection AND id = @id
        UNION ALL SELECT number FROM view_account WHERE connection = @connection AND merged_into = @id
        """);

    private static readonly Statement SelectStages = new(
        "SELECT stage FROM view_stage_total WHERE connection = @connection AND kind = @kind ORDER BY stage");

    private int _left;

    private string Table => kind == ViewStatements.OfContacts ? "view_contact" : "view_account";

    /// <summary>The numbers of a page's items, in order, and where it ends if it is not the last one.</summary>
    /// <param name="criteria">Who is meant.</param>
    /// <param name="sort">The order.</param>
    /// <param name="after">The page before; null for the first page.</param>
    /// <param name="limit">Items of the page at most.</param>
    public (List<long> Numbers, ViewCursor? Next) Page(
        ViewCriteria criteria, ViewSort sort, ViewCursor? after, int limit)
    {
        var accounts = criteria.Account is { } id
            ? session.Query(SelectMerged, row => row.GetInt64(0), connection, id)
            : null;
        if (accounts is { Count: 0 })
        {
            return ([], null);
        }

        var wanted = new Wanted(criteria, accounts);
        _left = workMax;
        var (items, end) = sort is ViewSort.Stage
            ? ByStage(wanted, after, limit + 1)
            : Take(wanted, sort, after, limit + 1);
        if (items.Count > limit)
        {
            items.RemoveRange(limit, items.Count - limit);
            end = items[^1];
        }

        return (
            items.ConvertAll(item => item.Number),
            end is { } last ? new ViewCursor(sort, criteria.Fingerprint, last.Stage, last.Key, last.Number) : null);
    }

    private (List<Item> Items, Item? End) ByStage(Wanted wanted, ViewCursor? after, int count)
    {
        var items = new List<Item>();
        var order = wanted.Criteria.Stage is { } only ? [only] : Order();
        if (after is not null && !order.Contains(after.Stage))
        {
            order = [after.Stage, .. order]; // nobody is in it since the last page: better somebody twice than not at all
        }

        var from = after is null ? 0 : order.IndexOf(after.Stage);
        for (var place = from; place < order.Length && items.Count < count; place++)
        {
            if (_left <= 0)
            {
                return (items, BeginOf(order[place]));
            }

            var inStage = wanted with { Criteria = wanted.Criteria with { Stage = order[place] } };
            var cursor = after is not null && place == from ? after with { Sort = ViewSort.LastSeen } : null;
            var (found, end) = Take(inStage, ViewSort.LastSeen, cursor, count - items.Count);
            items.AddRange(found);
            if (end is not null && items.Count < count)
            {
                return (items, end);
            }
        }

        return (items, null);
    }

    // Before everybody who is in it.
    private static Item BeginOf(string stage) =>
        new(long.MaxValue, long.MaxValue.ToString(CultureInfo.InvariantCulture), stage);

    // Stages that are configured no more come behind the others, and who is in none comes last.
    private ImmutableArray<string> Order()
    {
        var held = session.Query(SelectStages, row => row.GetString(0), connection, kind);
        return [.. stages, .. held.Where(stage => stage.Length > 0 && !stages.Contains(stage)), ""];
    }

    /// <summary>Items in order, and the last entry that was looked at if it is not known that nobody comes behind it.</summary>
    private (List<Item> Items, Item? End) Take(Wanted wanted, ViewSort sort, ViewCursor? after, int count)
    {
        // An index that holds all that is read is taken before one that serves the filter: the stage is read only where it is not known.
        var isOne = sort is ViewSort.LastSeen && wanted.HasIndex(kind);
        var isNarrow = !isOne && wanted.IsNarrow(sort);
        var few = isNarrow ? Fewest(wanted, sort) : null;
        var isByPrefix = few is null && sort is ViewSort.Name && !wanted.Criteria.Words.IsEmpty;
        var (source, join, place) = (new Text(), new Text(), new Text());
        var exceptWord = -1;
        if (few is { } found)
        {
            exceptWord = found.Word;
            source.Add("(SELECT DISTINCT f.number FROM (").Add(found.Text).Add(") f) n JOIN ").Add(Table).Add(" c ON c.number = n.number");
            place.Add(" WHERE 1 = 1");
        }
        else if (isByPrefix)
        {
            var rarest = Rarest(wanted.Criteria.Words);
            var prefix = ViewText.PrefixesOf(wanted.Criteria.Words[rarest]).Last();
            exceptWord = prefix == wanted.Criteria.Words[rarest] ? rarest : -1;
            source.Add("view_prefix p");
            join.Add(" CROSS JOIN ").Add(Table).Add(" c");
            place.Add(" WHERE p.connection = @connection", connection)
                .Add(" AND p.kind = @kind", kind)
                .Add(" AND p.prefix = @prefix", prefix);
        }
        else
        {
            source.Add(Table).Add(" c");
            place.Add(" WHERE c.connection = @connection", connection);
        }

        if (wanted.Criteria.SeenSince is { } since && sort is ViewSort.LastSeen)
        {
            place.Add(" AND c.last_seen >= @since", ViewStatements.Milliseconds(since));
        }

        var (key, number) = isByPrefix ? ("p.sort_name", "p.number") : ("c." + KeyOf(sort), "c.number");
        var (forward, order) = sort is ViewSort.Name
            ? (" > ", $" ORDER BY {key} ASC, {number} ASC")
            : (" < ", $" ORDER BY {key} DESC, {number} DESC");
        if (after is not null)
        {
            place.Add($" AND ({key}, {number}){forward}(@key", after.Value).Add(", @number)", after.Number);
        }

        var conditions = new Text().Add(isByPrefix ? " AND c.number = p.number AND c.sort_name = p.sort_name" : "");
        AddConditions(conditions, wanted, mask: !isOne, exceptWord);
        if (wanted.Criteria.SeenSince is { } seen && sort is not ViewSort.LastSeen)
        {
            conditions.Add(" AND c.last_seen + 0 >= @since", ViewStatements.Milliseconds(seen));
        }

        if (kind == ViewStatements.OfAccounts)
        {
            conditions.Add(" AND c.version > 0");
        }

        var known = isOne ? wanted.Criteria.Stage ?? "" : null;
        var work = WorkOf(wanted, sort, isByPrefix || few is not null, exceptWord);
        Item? end = null;
        if (few is { Found: var matches })
        {
            _left -= (int)matches * work;
        }
        else if (isNarrow)
        {
            var last = new Text().Add("SELECT ").Add(number).Add(", ").Add(key).Add(" FROM ").Add(source).Add(place).Add(order)
                .Add(" LIMIT 1 OFFSET @entries", Math.Max(EntriesMin, _left / work) - 1);
            end = session.Query(last.Statement(), row => Read(row, sort, wanted.Criteria.Stage ?? ""), last.Values)
                .Cast<Item?>().FirstOrDefault();
            _left = 0;
        }

        if (end is { } bound)
        {
            conditions.Add(sort is ViewSort.Name ? $" AND ({key}, {number}) <= (@end_key" : $" AND ({key}, {number}) >= (@end_key",
                sort is ViewSort.Name ? bound.Key : long.Parse(bound.Key, CultureInfo.InvariantCulture))
                .Add(", @end_number)", bound.Number);
        }

        var text = new Text().Add("SELECT c.number, c.").Add(KeyOf(sort)).Add(isOne ? ", '' FROM " : ", c.stage FROM ")
            .Add(source).Add(join).Add(place).Add(conditions).Add(order).Add(" LIMIT @rows", count);
        return (session.Query(text.Statement(), row => Read(row, sort, known), text.Values), end);
    }

    /// <summary>What it costs to look at one entry, if everything must be looked up.</summary>
    private int WorkOf(Wanted wanted, ViewSort sort, bool isJoined, int exceptWord)
    {
        var isAccount = kind == ViewStatements.OfAccounts;
        var readsRow = isJoined || isAccount || (wanted.Criteria.SeenSince is not null && sort is not ViewSort.LastSeen);
        var lookups = (isAccount && wanted.Criteria.Domain is not null ? 1 : 0)
            + wanted.Criteria.Words.Length - (exceptWord < 0 ? 0 : 1);
        return WorkOfEntry + (readsRow ? WorkOfRow : 0) + (WorkOfLookup * lookups);
    }

    /// <summary>The place of the word that fewest match, as far as it is worth counting.</summary>
    private int Rarest(ImmutableArray<string> words)
    {
        if (words.Length == 1)
        {
            return 0;
        }

        var counts = words.Select((_, place) => Count(Matches(words, place, CountMax / words.Length))).ToList();
        return counts.IndexOf(counts.Min());
    }

    private static string KeyOf(ViewSort sort) => sort switch
    {
        ViewSort.Name => "sort_name",
        ViewSort.Created => "created_at",
        _ => "last_seen",
    };

    private static Item Read(DbDataReader row, ViewSort sort, string? stage) => new(
        row.GetInt64(0),
        sort is ViewSort.Name ? row.GetString(1) : row.GetInt64(1).ToString(CultureInfo.InvariantCulture),
        stage ?? row.GetString(2));

    /// <summary>The filter that fewest match, as a query for numbers, if they are few; else null.</summary>
    private (Text Text, int Word, long Found)? Fewest(Wanted wanted, ViewSort sort)
    {
        (Text Text, int Word, long Found)? fewest = null;
        foreach (var (text, word) in Filters(wanted, sort))
        {
            var found = Count(text);
            if (found < (fewest?.Found ?? fewMax + 1))
            {
                fewest = (text, word, found);
            }
        }

        return fewest;
    }

    private long Count(Text matches)
    {
        var counting = new Text().Add("SELECT count(*) FROM (").Add(matches).Add(") f");
        var count = (long)session.Scalar(counting.Statement(), counting.Values)!;
        _left -= (int)count / CountedForOne;
        return count;
    }

    // Each with the place of the word that it looks for; -1 for none.
    private IEnumerable<(Text Text, int Word)> Filters(Wanted wanted, ViewSort sort)
    {
        if (wanted.Accounts is { } accounts)
        {
            var filter = AddAccounts(
                new Text().Add("SELECT number FROM view_contact WHERE connection = @connection", connection)
                    .Add(" AND account IN ("),
                accounts);
            yield return (filter.Add(" LIMIT @few", fewMax + 1), -1);
        }

        if (wanted.Criteria.SeenSince is { } since && sort is not ViewSort.LastSeen)
        {
            yield return (Of("last_seen >= @since", ViewStatements.Milliseconds(since)), -1);
        }

        if (wanted.Criteria.Stage is { } stage)
        {
            yield return (Of("stage = @stage", stage), -1);
        }

        if (wanted.Criteria.Domain is { } domain)
        {
            var filter = kind == ViewStatements.OfContacts
                ? Of("domain = @domain", domain)
                : new Text()
                    .Add("SELECT number FROM view_term WHERE connection = @connection", connection)
                    .Add(" AND kind = 3 AND term = @domain", domain)
                    .Add(" LIMIT @few", fewMax + 1);
            yield return (filter, -1);
        }

        for (var place = 0; place < wanted.Criteria.Words.Length; place++)
        {
            yield return (Matches(wanted.Criteria.Words, place, fewMax + 1), place);
        }

        Text Of(string condition, object value) => new Text()
            .Add("SELECT number FROM ").Add(Table).Add(" WHERE connection = @connection AND ", connection)
            .Add(condition, value)
            .Add(" LIMIT @few", fewMax + 1);
    }

    private Text Matches(ImmutableArray<string> words, int place, int limit)
    {
        var (from, to) = NamesOf(place);
        return new Text()
            .Add("SELECT number FROM view_term WHERE connection = @connection", connection)
            .Add(" AND kind = @kind", kind)
            .Add(" AND term >= " + from, words[place])
            .Add(" AND term < " + to, ViewText.End(words[place]))
            .Add(" LIMIT @few", limit);
    }

    // Masked, no index serves a condition: the order's own index does.
    private void AddConditions(Text text, Wanted wanted, bool mask, int exceptWord = -1)
    {
        if (wanted.Accounts is [var only] && !mask)
        {
            text.Add(" AND c.account = @account", only); // an equality, or SQLite walks the order of all accounts
        }
        else if (wanted.Accounts is { } accounts)
        {
            AddAccounts(text.Add(mask ? " AND c.account + 0 IN (" : " AND c.account IN ("), accounts);
        }

        if (wanted.Criteria.Stage is { } stage)
        {
            text.Add(mask ? " AND c.stage || '' = @stage" : " AND c.stage = @stage", stage);
        }

        if (wanted.Criteria.Domain is { } domain)
        {
            if (kind == ViewStatements.OfContacts)
            {
                text.Add(mask ? " AND c.domain || '' = @domain" : " AND c.domain = @domain", domain);
            }
            else
            {
                text.Add(" AND EXISTS (SELECT 1 FROM view_term t WHERE t.connection = @connection", connection)
                    .Add(" AND t.kind = 3 AND t.number = c.number AND t.term = @domain)", domain);
            }
        }

        for (var place = 0; place < wanted.Criteria.Words.Length; place++)
        {
            if (place == exceptWord)
            {
                continue;
            }

            var (from, to) = NamesOf(place);
            var word = wanted.Criteria.Words[place];
            text.Add(" AND EXISTS (SELECT 1 FROM view_term t WHERE t.connection = @connection", connection)
                .Add(" AND t.kind = @kind AND t.number = c.number", kind)
                .Add(" AND t.term >= " + from, word)
                .Add(" AND t.term < " + to + ")", ViewText.End(word));
        }
    }

    private static Text AddAccounts(Text text, List<long> accounts)
    {
        for (var place = 0; place < accounts.Count; place++)
        {
            text.Add(place == 0 ? "@account_" : ", @account_", NameOf(place), accounts[place]);
        }

        return text.Add(")");
    }

    private static (string From, string To) NamesOf(int place) => ("@from_" + NameOf(place), "@to_" + NameOf(place));

    private static string NameOf(int place) => new((char)('a' + (place % 26)), 1 + (place / 26));

    private readonly record struct Item(long Number, string Key, string Stage);

    private sealed record Wanted(ViewCriteria Criteria, List<long>? Accounts)
    {
        private int Count => (Accounts is null ? 0 : 1)
            + (Criteria.Stage is null ? 0 : 1)
            + (Criteria.Domain is null ? 0 : 1)
            + Criteria.Words.Length;

        /// <summary>Whether an index serves the only filter and the order by last seen together.</summary>
        public bool HasIndex(int kind) => Count == 1
            && Criteria.Words.IsEmpty
            && Accounts is null or { Count: 1 }
            && (Criteria.Domain is null || kind == ViewStatements.OfContacts);

        /// <summary>Whether there is a filter that the order does not serve.</summary>
        public bool IsNarrow(ViewSort sort) =>
            Count > 0 || (Criteria.SeenSince is not null && sort is not ViewSort.LastSeen);
    }

    /// <summary>A statement that is put together from constant pieces, and its values in the order of their names.</summary>
    private sealed class Text
    {
        private readonly StringBuilder _text = new();
        private readonly List<(string Name, object Value)> _values = [];

        public object?[] Values => [.. _values.Select(one => one.Value)];

        public Text Add(string piece)
        {
            _text.Append(piece);
            return this;
        }

        public Text Add(string piece, object value)
        {
            _text.Append(piece);
            var from = piece.LastIndexOf('@');
            var length = piece.AsSpan(from).IndexOfAny(')', ' ');
            return Name(length < 0 ? piece[from..] : piece.Substring(from, length), value);
        }

        public Text Add(string piece, string name, object value)
        {
            _text.Append(piece).Append(name);
            return Name(piece[piece.LastIndexOf('@')..] + name, value);
        }

        public Text Add(Text other)
        {
            _text.Append(other._text);
            foreach (var (name, value) in other._values)
            {
                Name(name, value);
            }

            return this;
        }

        public Statement Statement() => Statements.GetOrAdd(_text.ToString(), text => new Statement(text));

        private Text Name(string name, object value)
        {
            if (!_values.Exists(one => one.Name == name))
            {
                _values.Add((name, value));
            }

            return this;
        }
    }
}
