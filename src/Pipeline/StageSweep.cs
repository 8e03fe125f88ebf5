using System.Data.Common;
using System.Globalization;
using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>
/// Looks again at contacts for whom a window of time has ended, so that a stage ends although nothing happens: the contact
/// records it, its account and Variance are told, and the views learn when to look next. Runs on every node, in small steps;
/// what two nodes do, or one does again after a crash, is done once.
/// </summary>
public sealed class StageSweep : ReceiveActor, IWithTimers
{
    private const int ContactsPerStep = 100;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly PipelineParts _parts;
    private readonly IActorRef _people;
    private readonly Corrections _corrections;
    private readonly Dictionary<int, DueContact> _after = [];

    /// <summary>Sweeps the connections of <paramref name="parts"/>.</summary>
    /// <param name="parts">The pipeline.</param>
    /// <param name="people">The region of persons.</param>
    public StageSweep(PipelineParts parts, IActorRef people)
    {
        (_parts, _people, _corrections) = (parts, people, new Corrections(parts));
        Receive<Step>(_ => SweepAsync().PipeTo(Self));
        Receive<Swept>(swept => GoOn(swept.IsFull));
        Receive<Status.Failure>(Fail);
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc />
    protected override void PreStart() => Wait();

    private void Wait() => Timers.StartSingleTimer(nameof(Step), Step.Instance, _parts.Options.Views.StageSweep);

    private void Fail(Status.Failure failure)
    {
        _log.Warning(failure.Cause, "A sweep of stages was not finished; the next one goes on.");
        Wait();
    }

    // Windows of days all end at midnight: a step that was full is followed by one behind it, so that those who cannot be looked at
    // hold up nobody. Who was looked at is due until the lists have learnt of it; twice does no harm.
    private void GoOn(bool isFull) => Timers.StartSingleTimer(
        nameof(Step), Step.Instance, isFull ? Soon : _parts.Options.Views.StageSweep);

    private async Task<Swept> SweepAsync()
    {
        var (now, isFull) = (_parts.Time.GetUtcNow(), false);
        foreach (var (connectionId, connection) in _parts.Layout.NumberByConnection)
        {
            var due = await _parts.Database
                .ReadAsync(session => DueStatements.List(
                    session, connection, now, _after.TryGetValue(connection, out var after) ? after : null, ContactsPerStep))
                .ConfigureAwait(false);
            foreach (var one in due)
            {
                try
                {
                    await LookAsync(new PersonId(connectionId, one.DistinctId), connection, one, now).ConfigureAwait(false);
                }
                catch (Exception failure) when (failure is AskTimeoutException or DbException or TimeoutException)
                {
                    _log.Warning(failure, "A contact whose stage is due could not be looked at; the next sweep does it.");
                }
            }

            _after.Remove(connection);
            if (due.Count == ContactsPerStep)
            {
                _after[connection] = due[^1];
                isFull = true;
            }
        }

        return new Swept(isFull);
    }

    private async Task LookAsync(PersonId home, int connection, DueContact due, DateTimeOffset now)
    {
        var before = await _people.Ask<object>(new GetPerson(home), Patience).ConfigureAwait(false) as PersonFound;
        while (!await TellAsync(home, connection, due, before?.Person.Contact?.Turn, now).ConfigureAwait(false))
        {
        }
    }

    /// <returns>False if the person has become more meanwhile, and must be asked again.</returns>
    private async Task<bool> TellAsync(
        PersonId home, int connection, DueContact due, ContactTurn? before, DateTimeOffset now)
    {
        var answer = await _people.Ask<object>(new LookAgain(home, now), Patience).ConfigureAwait(false);
        if (answer is not HistoryFound { Root: var root, Facts: var facts, Person: var person })
        {
            await _parts.Database.WriteAsync(session => DueStatements.Remove(session, connection, due)).ConfigureAwait(false);
            return true;
        }

        var told = await _people.Ask<AccountTold>(new TellAccount(home, [], now), Patience).ConfigureAwait(false);
        var rules = _parts.Options.Connections[home.ConnectionId].ToContactRules();
        var move = ContactMove.Of(person.Version, before, person.Contact?.Turn);
        var uuid = UuidV5.Create(
            person.PersonUuid, $"window:{due.At.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture)}");

        // A crash may have come after the move was recorded: whoever moved since it was due is told of, once.
        var hasMoved = move is { IsOtherStage: true } || person.Contact?.Stage?.Since >= due.At;
        var messages = hasMoved
            ? _corrections.Map(home.ConnectionId, person with { Account = told.Card }, ChangeOf(move), uuid, now)
            : [];
        return await _corrections
            .AppendAsync(root, uuid, messages, [PersonNews.Of(person, move, rules, now)], now, facts)
            .ConfigureAwait(false);
    }

    private static EventChange ChangeOf(ContactMove? move) => new(true, [])
    {
        Stage = move is { IsOtherStage: true, Stage: { } stage }
            ? new StageMove(move.Left?.Name, stage.Name, stage.Rule)
            : null,
    };

    private sealed record Step
    {
        public static Step Instance { get; } = new();
    }

    private sealed record Swept(bool IsFull);
}
