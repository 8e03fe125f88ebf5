using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using VarianceActors.Host.Configuration;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Metering;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Benchmarks;

/// <summary>
/// Fills the tables of views with many contacts in a twentieth as many accounts, by the same code that folds the feed, and
/// asks them what the API asks. Sizes of accounts are skewed: the largest has thousands of contacts.
/// </summary>
internal sealed class ViewsRun(int contacts)
{
    private const int PerTransaction = 5_000;
    private const int Questions = 300;
    private static readonly string[] First = ["Ada", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jo"];
    private static readonly string[] Stages = ["lead", "active", "customer", "lost"];
    private static readonly string[] Names = ["$pageview", "report opened", "invite sent"];
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 9, 0, 0, TimeSpan.Zero);
    private readonly int _accounts = Math.Max(1, contacts / 20);

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("variance-views-");
        try
        {
            await RunAsync(directory.FullName, cancellationToken);
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        return 0;
    }

    private async Task RunAsync(string directory, CancellationToken cancellationToken)
    {
        var reading = PipelineConfiguration.ReadText("""
            variance.connections.acme {
              tokens = ["phc_a"]
              stages { contacts = ["lead: always", "active: a = 1", "customer: a = 2", "lost: a = 3"], accounts = ["lead: always"] }
            }
            """);
        await using var database = PipelineDatabase.Open(directory, TimeSpan.FromSeconds(5), _ => { });
        var layout = await PipelineLayout.ReadAsync(database, 4, 8, ["acme"]);
        using var meter = new PipelineMeter();
        var parts = new PipelineParts(reading, database, layout, TimeProvider.System, cancellationToken)
        {
            Meter = meter,
        };
        var watch = Stopwatch.StartNew();
        await FillAsync(parts, cancellationToken);
        var built = watch.Elapsed;
        var table = new Table()
            .Title(string.Create(
                CultureInfo.InvariantCulture,
                $"{contacts:N0} contacts, {_accounts:N0} accounts, {new FileInfo(Path.Combine(directory, "pipeline.db")).Length >> 20} MB, built in {built.TotalSeconds:N0} s"))
            .AddColumns("question", "median", "p99", "worst");
        var queries = new ViewQueries(parts);
        await MeasureAsync(table, queries, cancellationToken);
        AnsiConsole.Write(table);
    }

    private async Task FillAsync(PipelineParts parts, CancellationToken cancellationToken)
    {
        for (var first = 0; first < _accounts; first += PerTransaction)
        {
            await FoldAsync(parts, Enumerable.Range(first, Math.Min(PerTransaction, _accounts - first)).Select(AccountOf), cancellationToken);
        }

        for (var first = 0; first < contacts; first += PerTransaction)
        {
            await FoldAsync(parts, Enumerable.Range(first, Math.Min(PerTransaction, contacts - first)).SelectMany(ContactOf), cancellationToken);
        }
    }

    private static Task<bool> FoldAsync(
        PipelineParts parts, IEnumerable<ViewEntry> entries, CancellationToken cancellationToken) =>
        parts.Database.WriteAsync(
            session =>
            {
                var fold = new ViewFold(session, 1, 100);
                foreach (var entry in entries)
                {
                    fold.Take(entry);
                }

                fold.Write();
                return true;
            },
            cancellationToken);

    private static string AccountId(int number) => $"company-{number}.com";

    private static ViewEntry AccountOf(int number) => new AccountEntry(
        Now.AddDays(-number % 400), AccountId(number), 1, $"Company {number} {First[number % 10]} Works", null,
        new StageFace("lead", Now, "always", null), 20, [AccountId(number)], """{"seats":5,"plan":"pro"}""");

    // The square of an even number between 0 and 1 leaves most to a few.
    private int AccountNumberOf(int number) => (int)(Math.Pow(number * 0.6180339887 % 1, 2) * _accounts);

    private IEnumerable<ViewEntry> ContactOf(int number)
    {
        var id = $"user-{number}";
        var person = new Guid(number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
        var account = AccountId(AccountNumberOf(number));
        var domain = number % 3 == 0 ? "gmail.com" : account;
        var name = $"{First[number % 10]} Surname{number * 7919L % 50_021}";
        var link = new AccountLink(account, AccountRule.EmailDomain, account);
        var stage = new StageFace(Stages[number % 97 == 0 ? 3 : number % 3], Now.AddDays(-number % 90), "always", null);
        var face = new ContactFace(
            id, name, $"{First[number % 10].ToLowerInvariant()}.{number}@{domain}", link, stage,
            Now.AddMinutes(-number * 7L % 600_000),
            $$"""{"$browser":"Chrome","city":"Oslo","email":"{{id}}@{{domain}}","name":"{{name}}","plan":"pro","seats":{{number % 50}}}""");
        for (var place = 0; place < 3; place++)
        {
            var at = Now.AddMinutes(-(number * 13L % 80_000) - (place * 1_700));
            yield return new PersonEntry(at, person, 1, [id], account)
            {
                Event = new EventSeen(Guid.NewGuid(), Names[place], true, true),
                Face = place == 0 ? face : null,
                Moved = place == 0
                    ? new ContactMove(1, true, link, true, null, new Pipeline.Stages.StagePlace(stage.Name, stage.Since, "always"))
                    : null,
            };
        }
    }

    private async Task MeasureAsync(Table table, ViewQueries queries, CancellationToken cancellationToken)
    {
        var random = new Random(1);
        foreach (var sort in Enum.GetValues<ViewSort>())
        {
            await ListAsync($"contacts by {sort}", _ => ViewCriteria.All, sort);
            await ListAsync($"contacts of a stage by {sort}", _ => ViewCriteria.All with { Stage = Stages[random.Next(4)] }, sort);
            await ListAsync($"contacts of an account by {sort}", _ => ViewCriteria.All with { Account = AccountId(random.Next(_accounts)) }, sort);
            await ListAsync($"contacts of the largest account by {sort}", _ => ViewCriteria.All with { Account = AccountId(0) }, sort);
            await ListAsync($"contacts of a domain by {sort}", n => ViewCriteria.All with { Domain = n % 2 == 0 ? "gmail.com" : AccountId(random.Next(_accounts)) }, sort);
            await ListAsync($"contacts seen in a day by {sort}", _ => ViewCriteria.All with { SeenSince = Now.AddDays(-random.Next(1, 50)) }, sort);
            await ListAsync($"search of a word by {sort}", _ => Search(First[random.Next(10)]), sort);
            await ListAsync($"search of a letter by {sort}", _ => Search("adbcs"[random.Next(5)].ToString()), sort);
            await ListAsync($"search of two words by {sort}", _ => Search($"{First[random.Next(10)]} Surname{random.Next(50_021)}"), sort);
            await ListAsync($"search of a user id by {sort}", _ => Search($"user-{random.Next(contacts)}"), sort);
            await ListAsync($"contacts of a domain in a stage where nobody is by {sort}", _ => ViewCriteria.All with { Domain = "gmail.com", Stage = "active" }, sort);
            await ListAsync($"search of two words that many have by {sort}", _ => Search($"{First[random.Next(10)]} {First[random.Next(10)]}"), sort);
            await ListAsync($"search in a stage by {sort}", _ => Search(First[random.Next(10)]) with { Stage = Stages[random.Next(4)] }, sort);
            await MeasureAsync(
                table, $"accounts by {sort}",
                _ => queries.ReadAccountsAsync("acme", ViewCriteria.All, sort, null, 100, cancellationToken));
            await MeasureAsync(
                table, $"search of accounts by {sort}",
                _ => queries.ReadAccountsAsync("acme", Search($"company-{random.Next(1_000)}"), sort, null, 100, cancellationToken));
            await MeasureAsync(
                table, $"accounts of a stage by {sort}",
                _ => queries.ReadAccountsAsync("acme", ViewCriteria.All with { Stage = Stages[random.Next(4)] }, sort, null, 100, cancellationToken));
            await MeasureAsync(
                table, $"accounts of a domain by {sort}",
                _ => queries.ReadAccountsAsync("acme", ViewCriteria.All with { Domain = AccountId(random.Next(_accounts)) }, sort, null, 100, cancellationToken));
            await MeasureAsync(
                table, $"accounts of a stage seen in a day by {sort}",
                _ => queries.ReadAccountsAsync(
                    "acme",
                    ViewCriteria.All with { Stage = "lead", SeenSince = Now.AddDays(-random.Next(1, 50)) },
                    sort, null, 100, cancellationToken));
        }

        await MeasureAsync(table, "page of a contact", _ => queries.ReadContactAsync(
            "acme", new Guid(random.Next(contacts), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), new DateOnly(2026, 2, 1), cancellationToken));
        await MeasureAsync(table, "events of a contact", _ => queries.ReadEventsAsync(
            "acme", new Guid(random.Next(contacts), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), null, 100, cancellationToken));
        await MeasureAsync(table, "page of an account", _ => queries.ReadAccountAsync(
            "acme", AccountId(random.Next(_accounts)), new DateOnly(2026, 3, 1), 30, cancellationToken));
        await MeasureAsync(table, "page of the largest account", _ => queries.ReadAccountAsync(
            "acme", AccountId(0), new DateOnly(2026, 3, 1), 30, cancellationToken));
        await MeasureAsync(table, "stages", _ => queries.ReadStagesAsync(
            "acme", false, new DateOnly(2026, 2, 1), new DateOnly(2026, 3, 1), cancellationToken));

        static ViewCriteria Search(string text) => ViewCriteria.All with { Words = ViewText.WordsOf(text) };

        // Each question is a page somewhere in the list: the first one, or one some pages on.
        async Task ListAsync(string question, Func<int, ViewCriteria> criteria, ViewSort sort)
        {
            ViewCursor? after = null;
            ViewCriteria? asked = null;
            await MeasureAsync(table, question, async number =>
            {
                asked = after is null ? criteria(number) : asked;
                var page = await queries.ReadContactsAsync("acme", asked!, sort, after, 100, cancellationToken);
                after = number % 4 == 3 ? null : page.Next;
            });
        }
    }

    private static async Task MeasureAsync(Table table, string question, Func<int, Task> ask)
    {
        await ask(0);
        var times = new List<double>(Questions);
        for (var number = 0; number < Questions; number++)
        {
            var watch = Stopwatch.GetTimestamp();
            await ask(number);
            times.Add(Stopwatch.GetElapsedTime(watch).TotalMilliseconds);
        }

        times.Sort();
        table.AddRow(question, Shown(times[Questions / 2]), Shown(times[Questions * 99 / 100]), Shown(times[^1]));

        static string Shown(double milliseconds) => string.Create(CultureInfo.InvariantCulture, $"{milliseconds:N1} ms");
    }
}
