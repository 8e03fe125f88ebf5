using System.Diagnostics.Metrics;
using VarianceActors.Pipeline.Delivery;

namespace VarianceActors.Pipeline.Metering;

/// <summary>
/// The metrics of a node, under the meter <c>VarianceActors</c>. What the books say is read from the database now and then, so
/// it is the whole cluster's and outlives restarts; attempts and latencies are this node's. Labels are connections, states and
/// classes of answers, never a person's.
/// </summary>
public sealed class PipelineMeter : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string Name = "VarianceActors";

    private static readonly double[] LatencyBounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400];
    private readonly Meter _meter;
    private readonly Counter<long> _attempts;
    private readonly Counter<long> _outcomes;
    private readonly Histogram<double> _latency;
    private BooksSample _books = BooksSample.None;

    /// <summary>Makes the instruments.</summary>
    public PipelineMeter()
    {
        _meter = new Meter(new MeterOptions(Name) { Scope = this });
        _attempts = _meter.CreateCounter<long>(
            "variance.delivery.attempts", description: "Posts to the receiver, by the class of the answer's status.");
        _outcomes = _meter.CreateCounter<long>(
            "variance.delivery.messages", description: "Messages that got their outcome.");
        _latency = _meter.CreateHistogram(
            "variance.delivery.latency",
            "s",
            "From the moment an event was accepted until a message of it was delivered; replays are left out.",
            tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = LatencyBounds });
        ObserveBooks();
    }

    /// <summary>The newest sample of the books.</summary>
    public BooksSample Books
    {
        get => Volatile.Read(ref _books);
        set => Volatile.Write(ref _books, value);
    }

    /// <summary>Counts messages and attempts that were committed.</summary>
    internal void Count(string connectionId, SliceChanges committed)
    {
        var connection = KeyValuePair.Create("connection", (object?)connectionId);
        foreach (var (_, attempt) in committed.Sent)
        {
            _attempts.Add(1, connection, new("answer", ClassOf(attempt.Status)));
        }

        foreach (var finished in committed.Finished.Where(finished => finished.Entry.Barrier is null))
        {
            _outcomes.Add(1, connection, new("outcome", NameOf(finished.Outcome)));
            if (finished is { Outcome: DeliveryOutcome.Delivered, Attempt: { } last, Entry.IsReplay: false })
            {
                _latency.Record((last.At + last.Latency - finished.Entry.AcceptedAt).TotalSeconds, connection);
            }
        }
    }

    /// <inheritdoc />
    public void Dispose() => _meter.Dispose();

    private static string ClassOf(int? status) => status switch
    {
        null => "none",
        < 200 => "1xx",
        < 300 => "2xx",
        < 400 => "3xx",
        < 500 => "4xx",
        _ => "5xx",
    };

    private static string NameOf(DeliveryOutcome outcome) => outcome switch
    {
        DeliveryOutcome.DeadLettered => "dead",
        DeliveryOutcome.Coalesced => "coalesced",
        DeliveryOutcome.Skipped => "skipped",
        DeliveryOutcome.Withdrawn => "withdrawn",
        DeliveryOutcome.Erased => "erased",
        DeliveryOutcome.DryRun => "dry_run",
        _ => "delivered",
    };

    private void ObserveBooks()
    {
        _meter.CreateObservableCounter(
            "variance.events.accepted",
            () => Observe(books => books.Balance.Accepted),
            description: "Events that were answered with 200.");
        _meter.CreateObservableCounter(
            "variance.events.decided", ObserveDecided, description: "Events by what was decided of them.");
        _meter.CreateObservableGauge(
            "variance.events", ObserveStates, description: "The books: every accepted event, by where it stands now.");
        _meter.CreateObservableGauge(
            "variance.ledger.imbalance",
            () => Observe(books => books.Balance.Imbalance),
            description: "By how many events the books do not balance; anything but 0 needs a person.");
        _meter.CreateObservableGauge(
            "variance.inbox.lag",
            () => Observe(books => books.Undecided),
            description: "Events in the inbox that nobody has decided yet.");
        _meter.CreateObservableGauge(
            "variance.outbox.backlog",
            () => Observe(books => books.WaitingMessages),
            description: "Messages in the outbox that have no outcome yet.");
    }

    private IEnumerable<Measurement<long>> Observe(Func<ConnectionBooks, long> value) => Books.Connections.Select(
        one => new Measurement<long>(value(one.Value), KeyValuePair.Create("connection", (object?)one.Key)));

    private IEnumerable<Measurement<long>> ObserveDecided() => Books.Connections.SelectMany(one =>
        one.Value.Decided.Select(decided => new Measurement<long>(
            decided.Value,
            KeyValuePair.Create("connection", (object?)one.Key),
            KeyValuePair.Create("decision", (object?)decided.Key.ToString().ToLowerInvariant()))));

    private IEnumerable<Measurement<long>> ObserveStates() => Books.Connections.SelectMany(one =>
        StatesOf(one.Value.Balance).Select(state => new Measurement<long>(
            state.Events,
            KeyValuePair.Create("connection", (object?)one.Key),
            KeyValuePair.Create("state", (object?)state.Name))));

    private static (string Name, long Events)[] StatesOf(Outbox.LedgerBalance balance) =>
    [
        ("delivered", balance.Delivered),
        ("pending", balance.Pending),
        ("parked", balance.Parked),
        ("dead", balance.Dead),
        ("discarded", balance.Discarded),
        ("filtered", balance.Filtered),
        ("suppressed", balance.Suppressed),
        ("refused", balance.Refused),
        ("coalesced", balance.Coalesced),
        ("skipped", balance.Skipped),
        ("duplicate", balance.Duplicates),
    ];
}
