using System.CommandLine;
using BenchmarkDotNet.Running;
using VarianceActors.Benchmarks;

var micro = new Command("micro", "What one event costs before anything is stored (BenchmarkDotNet).");
micro.SetAction(_ => BenchmarkRunner.Run<EventBenchmarks>());

var events = new Option<int>("--events") { Description = "How many events.", DefaultValueFactory = _ => 200_000 };
var perRequest = new Option<int>("--per-request") { Description = "Events of one request.", DefaultValueFactory = _ => 100 };
var mapping = new Option<string>("--mapping") { Description = "contacts or plugin.", DefaultValueFactory = _ => "contacts" };
var withoutViews = new Option<bool>("--without-views") { Description = "With variance.views.enabled = off." };
var load = new Command("load", "Accepted and delivered events per second, end to end, against a host process of its own.")
{
    events, perRequest, mapping, withoutViews,
};
load.SetAction((parsed, cancellationToken) => new LoadRun(
    parsed.GetValue(events),
    parsed.GetValue(perRequest),
    parsed.GetValue(mapping)!,
    !parsed.GetValue(withoutViews)).RunAsync(cancellationToken));

var contacts = new Option<int>("--contacts") { Description = "How many contacts.", DefaultValueFactory = _ => 1_000_000 };
var views = new Command("views", "How long lists, searches and pages take on many contacts.") { contacts };
views.SetAction((parsed, cancellationToken) => new ViewsRun(parsed.GetValue(contacts)).RunAsync(cancellationToken));

var howMany = new Option<int>("--merges") { Description = "How many merges of each kind.", DefaultValueFactory = _ => 20_000 };
var merges = new Command("merges", "Merges per second, end to end, against a host process of its own.") { howMany };
merges.SetAction((parsed, cancellationToken) => new MergesRun(parsed.GetValue(howMany)).RunAsync(cancellationToken));

var waiting = new Option<int>("--events") { Description = "How many events.", DefaultValueFactory = _ => 1_000_000 };
var backlog = new Command("backlog", "What messages cost that wait for a receiver which is away.") { waiting };
backlog.SetAction((parsed, cancellationToken) => new BacklogRun(parsed.GetValue(waiting)).RunAsync(cancellationToken));

var isolation = new Command("isolation", "What nine dead connections cost the tenth.") { events };
isolation.SetAction((parsed, cancellationToken) => new IsolationRun(parsed.GetValue(events)).RunAsync(cancellationToken));

return await new RootCommand("Benchmarks of VarianceActors.") { micro, load, merges, backlog, isolation, views }.Parse(args).InvokeAsync();
