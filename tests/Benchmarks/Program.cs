using System.CommandLine;
using BenchmarkDotNet.Running;
using VarianceActors.Benchmarks;
using VarianceActors.Benchmarks.Processes;
using VarianceActors.Benchmarks.Rows;

if (args is [Roles.Command, .. var role])
{
    return await Roles.RunAsync(role);
}

var micro = new Command("micro", "What one event costs in each step (BenchmarkDotNet).");
micro.SetAction(_ => BenchmarkRunner.Run<EventBenchmarks>());

var events = new Option<int>("--events") { Description = "How many events.", DefaultValueFactory = _ => 200_000 };
var perRequest = new Option<int>("--per-request") { Description = "Events of one request, 1 or more.", DefaultValueFactory = _ => 100 };
var perSecond = new Option<double>("--per-second") { Description = "Events a second; 0: as many as are accepted." };
var mapping = new Option<string>("--mapping") { Description = "contacts or plugin.", DefaultValueFactory = _ => "contacts" };
var store = new Option<string>("--store") { Description = "sqlite or postgres.", DefaultValueFactory = _ => "sqlite" };
var withoutViews = new Option<bool>("--without-views") { Description = "With variance.views.enabled = off." };
var folder = new Option<string>("--out")
{
    Description = "The directory that JSON and SVG files go to.",
    DefaultValueFactory = _ => Path.Combine("artifacts", "benchmarks"),
};
var load = new Command("load", "Accepted and delivered events, end to end, each part in a process of its own.")
{
    events, perRequest, perSecond, mapping, store, withoutViews, folder,
};
load.SetAction((parsed, cancellationToken) => new LoadRun(new LoadOptions(
    parsed.GetValue(events),
    parsed.GetValue(perRequest),
    parsed.GetValue(perSecond),
    parsed.GetValue(mapping)!,
    parsed.GetValue(store)!,
    !parsed.GetValue(withoutViews),
    parsed.GetValue(folder)!)).RunAsync(cancellationToken));

var rows = new Argument<int[]>("rows") { Description = "Numbers of targets; none: all.", Arity = ArgumentArity.ZeroOrMore };
var pairs = new Option<int>("--pairs") { Description = "How many pairs.", DefaultValueFactory = _ => 5 };
var quick = new Option<bool>("--quick") { Description = "A trial with small sizes, which measures nothing." };
var compare = new Command("compare", "The targets of speed, each against a peer or a limit in the same run.") { rows, pairs, quick, folder };
compare.SetAction((parsed, cancellationToken) => new CompareRun(
    new RowOptions(parsed.GetValue(pairs), parsed.GetValue(quick)),
    parsed.GetValue(folder)!).RunAsync(parsed.GetValue(rows)!, cancellationToken));

var contacts = new Option<int>("--contacts") { Description = "How many contacts.", DefaultValueFactory = _ => 1_000_000 };
var views = new Command("views", "How long lists, searches and pages take on many contacts.") { contacts };
views.SetAction((parsed, cancellationToken) => new ViewsRun(parsed.GetValue(contacts)).RunAsync(cancellationToken));

var members = new Option<int>("--members") { Description = "How many members.", DefaultValueFactory = _ => 5_000 };
var account = new Command("account", "How long the page of a large account takes that is not in memory.") { members };
account.SetAction((parsed, cancellationToken) => new AccountRun(parsed.GetValue(members)).RunAsync(cancellationToken));

var isolation = new Command("isolation", "What nine dead connections cost the tenth.") { events };
isolation.SetAction((parsed, cancellationToken) => new IsolationRun(parsed.GetValue(events)).RunAsync(cancellationToken));

var messages = new Option<int>("--messages") { Description = "How many messages.", DefaultValueFactory = _ => 1_000_000 };
var backlog = new Command("backlog", "What many waiting messages cost, and how they leave.") { messages };
backlog.SetAction((parsed, cancellationToken) => new BacklogRun(parsed.GetValue(messages)).RunAsync(cancellationToken));

return await new RootCommand("Benchmarks of VarianceActors.") { micro, load, compare, isolation, backlog, views, account }.Parse(args).InvokeAsync();
