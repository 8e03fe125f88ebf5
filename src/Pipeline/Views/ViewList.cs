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
/// for "zoe" finds Zoe), so what begins with the first characters of a word is kept in that order of its own.
/// docs/benchmarks.md has figures.
/// </summary>
/// <param name="session">A reading session.</param>
/// <param name="connection">The connection.</param>
/// <param name="kind"><see cref="ViewStatements.OfContacts"/> or <see cref="ViewStatements.OfAccounts"/>.</param>
/// <param name="stages">The connection's stages of that kind, the most advanced first.</param>
internal sealed class ViewList(Session session, int connection, int kind, ImmutableArray<string> stages)
{
    /// <summary>How many matches are few.</summary>
    private const int FewMax = 5_000;

    /// <summary>How far the matches of a word are counted to find the rarest one.</summary>
    private const int CountMax = 50_000;

    private static readonly ConcurrentDictionary<string, Statement> Statements = new(StringComparer.Ordinal);

    private static readonly Statement SelectMerged = new("""
        SELECT number FROM view_account WHERE connection = @connection AND id = @id
        UNION ALL SELECT number FROM view_account WHERE connection = @connection AND merged_into = @id
        """);

    private static readonly Statement SelectStages = new(
        "SELECT stage FROM view_stage_total WHERE connection = @connection AND kind = @kind ORDER BY stage");

    private string Table => kind == ViewStatements.OfContacts ? "view_contact" : "view_account";

    /// <summary>The numbers of a page's items, in order, and where it ends.</summary>
    /// <param name="criteria">Who is meant.</param>
    /// <param name="sort">The order.</param>
    /// <param name="after">The page before; null for the first page.</param>
    /// <param name="limit">Items of the page.</param>
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
        var items = sort is ViewSort.Stage
            ? ByStage(wanted, after, limit + 1)
            : Take(wanted, sort, after, limit + 1);
        if (items.Count <= limit)
        {
            return ([.. items.Select(item => item.Number)], null);
        }

        var last = items[limit - 1];
        return (
            [.. items.Take(limit).Select(item => item.Number)],
            new ViewCursor(sort, criteria.Fingerprint, last.Stage, last.Key, last.Number));
    }

    private List<Item> ByStage(Wanted wanted, ViewCursor? after, int count)
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
            var inStage = wanted with { Criteria = wanted.Criteria with { Stage = order[place] } };
            var cursor = after is not null && place == from ? after with { Sort = ViewSort.LastSeen } : null;
            items.AddRange(Take(inStage, ViewSort.LastSeen, cursor, count - items.Count));
        }

        return items;
    }

    // Stages that are configured no more come behind the others, and who is in none comes last.
    private ImmutableArray<string> Order()
    {
        var held = session.Query(SelectStages, row => row.GetString(0), connection, kind);
        return [.. stages, .. held.Where(stage => stage.Length > 0 && !stages.Contains(stage)), ""];
    }

    private List<Item> Take(Wanted wanted, ViewSort sort, ViewCursor? after, int count)
    {
        // An index that holds all that is read is taken before one that serves the filter: the stage is read only where it is not known.
        var isByPrefix = false;
        var isOne = sort is ViewSort.LastSeen && wanted.HasIndex(kind);
        var text = new Text().Add("SELECT c.number, c.").Add(KeyOf(sort)).Add(isOne ? ", '' FROM " : ", c.stage FROM ");
        if (!isOne && wanted.IsNarrow(sort) && Fewest(wanted, sort) is var (few, word))
        {
            text.Add("(SELECT DISTINCT f.number FROM (").Add(few).Add(") f) n JOIN ").Add(Table)
                .Add(" c ON c.number = n.number WHERE 1 = 1");
            AddConditions(text, wanted, mask: true, exceptWord: word);
        }
        else if (sort is ViewSort.Name && !wanted.Criteria.Words.IsEmpty)
        {
            isByPrefix = true;
            var place = Rarest(wanted.Criteria.Words);
            var prefix = ViewText.PrefixesOf(wanted.Criteria.Words[place]).Last();
            text.Add("view_prefix p CROSS JOIN ").Add(Table).Add(" c WHERE c.number = p.number AND c.sort_name = p.sort_name")
                .Add(" AND p.connection = @connection", connection)
                .Add(" AND p.kind = @kind", kind)
                .Add(" AND p.prefix = @prefix", prefix);
            AddConditions(text, wanted, mask: true, exceptWord: prefix == wanted.Criteria.Words[place] ? place : -1);
        }
        else
        {
            text.Add(Table).Add(" c WHERE c.connection = @connection", connection);
            AddConditions(text, wanted, mask: !isOne);
        }

        if (wanted.Criteria.SeenSince is { } since)
        {
            text.Add(sort is ViewSort.LastSeen ? " AND c.last_seen >= @since" : " AND c.last_seen + 0 >= @since",
                ViewStatements.Milliseconds(since));
        }

        if (kind == ViewStatements.OfAccounts)
        {
            text.Add(" AND c.version > 0");
        }

        var isAscending = sort is ViewSort.Name;
        var (key, number) = isByPrefix ? ("p.sort_name", "p.number") : ("c." + KeyOf(sort), "c.number");
        if (after is not null)
        {
            text.Add(" AND (").Add(key).Add(", ").Add(number).Add(isAscending ? ") > (" : ") < (")
                .Add("@key", after.Value).Add(", @number)", after.Number);
        }

        var direction = isAscending ? " ASC" : " DESC";
        text.Add(" ORDER BY ").Add(key).Add(direction).Add(", ").Add(number).Add(direction)
            .Add(" LIMIT @rows", count);
        var known = isOne ? wanted.Criteria.Stage ?? "" : null;
        return session.Query(text.Statement(), row => Read(row, sort, known), text.Values);
    }

    /// <summary>The place of the word that fewest match, as far as it is worth counting.</summary>
    private int Rarest(ImmutableArray<string> words)
    {
        if (words.Length == 1)
        {
            return 0;
        }

        var counts = words.Select((_, place) =>
        {
            var counting = new Text().Add("SELECT count(*) FROM (").Add(Matches(words, place, CountMax)).Add(") f");
            return (long)session.Scalar(counting.Statement(), counting.Values)!;
        }).ToList();
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
    private (Text Text, int Word)? Fewest(Wanted wanted, ViewSort sort)
    {
        (Text Text, int Word)? fewest = null;
        var count = FewMax + 1L;
        foreach (var filter in Filters(wanted, sort))
        {
            var counting = new Text().Add("SELECT count(*) FROM (").Add(filter.Text).Add(") f");
            if ((long)session.Scalar(counting.Statement(), counting.Values)! is var found && found < count)
            {
                (fewest, count) = (filter, found);
            }
        }

        return fewest;
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
            yield return (filter.Add(" LIMIT @few", FewMax + 1), -1);
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
                    .Add(" LIMIT @few", FewMax + 1);
            yield return (filter, -1);
        }

        for (var place = 0; place < wanted.Criteria.Words.Length; place++)
        {
            yield return (Matches(wanted.Criteria.Words, place, FewMax + 1), place);
        }

        Text Of(string condition, object value) => new Text()
            .Add("SELECT number FROM ").Add(Table).Add(" WHERE connection = @connection AND ", connection)
            .Add(condition, value)
            .Add(" LIMIT @few", FewMax + 1);
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
