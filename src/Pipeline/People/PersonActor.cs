using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline.People;

/// <summary>The shell around <see cref="HomeNode"/>: durability, addresses and time for the home of one distinct
/// id.</summary>
public sealed class PersonActor : ReceivePersistentActor, IWithTimers
{
    private const int WaitingMax = 1_000;

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<object, Waiting> _waiting = [];
    private readonly AccountTelling _telling;
    private readonly PersonShell _shell;
    private PersonState? _state;
    private long _snapshotAt;
    private long? _listedAs;
    private bool _isListing;

    /// <summary>The actor of one home.</summary>
    /// <param name="entityId">The home's <see cref="PersonId.EntityId"/>.</param>
    /// <param name="shell">What surrounds it.</param>
    public PersonActor(string entityId, PersonShell shell)
    {
        _shell = shell;
        _telling = new AccountTelling(shell.Accounts);
        PersistenceId = PersonId.PersistenceIdOf(entityId);
        Recover<SnapshotOffer>(Load);
        Recover<PersonFact>(fact => _state = Person.Evolve(_state, fact));
        Recover<RecoveryCompleted>(_ => Continue());
        Command<ForgetHome>(_ => Forget());
        Command<ErasedIdsKnown>(known => Leave(known.Asking));
        Command<ErasedIdsNotKnown>(failed => Warn(failed.Cause, "learn which ids are erased"));
        Command<IPersonMessage>(message => Handle(message, Sender));
        Command<AccountObserved>(Hear);
        Command<Retry>(_ => Continue());
        Command<Listed>(GoOn);
        Command<NotListed>(NoteNotListed);
        Command<NotUnlisted>(failed => Warn(failed.Cause, "leave the list of unfinished merges"));
        Command<Retire>(_ => Leave());
        Command<SaveSnapshotSuccess>(DeleteOlder);
        Command<SaveSnapshotFailure>(failed => Warn(failed.Cause, "save a snapshot"));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(failed => Warn(failed.Cause, "delete old snapshots"));
    }

    /// <inheritdoc />
    public override string PersistenceId { get; }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc />
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    private void Handle(IPersonMessage message, IActorRef sender)
    {
        if (message is ApplyEvents apply && _shell.Erased.IsErased(apply.To.Beside(apply.DistinctId)))
        {
            Suppress(apply, sender);
            return;
        }

        _state ??= PersonState.Unborn(message.To);
        var step = HomeNode.Handle(_state, message, _shell.Rules(_state.Id.ConnectionId));
        if (!step.Facts.IsEmpty && _shell.Erased.IsGone(_state.Id))
        {
            return; // whatever it is, it is late: this home must not begin a history again
        }

        if (step.State.IsBusy && !_state.IsBusy && _listedAs is null)
        {
            List(_state, message, sender);
            return;
        }

        if (step.Facts.IsEmpty)
        {
            Finish(step, message, sender);
            return;
        }

        PersistAll(step.Facts, _ => { }, () => Finish(step, message, sender));
    }

    private static void Suppress(ApplyEvents apply, IActorRef sender) => sender.Tell(new EventsApplied(
        apply.DistinctId,
        [.. apply.Events.Select(at => ErasedEvents.Suppress(at.Offset, at.Event))]));

    // First the list, then the fact: were this node to stop in between, a home without business would be woken, and never
    // would one with business sleep. The message is handled anew afterwards, because others are handled meanwhile.
    private void List(PersonState state, IPersonMessage? message, IActorRef sender)
    {
        if (_isListing)
        {
            if (message is not null)
            {
                Wait(message, sender);
            }

            return;
        }

        _isListing = true;
        var mark = LastSequenceNr + 1;
        _shell.Unfinished.Begin(state.Id, mark).PipeTo(
            Self,
            success: () => new Listed(mark, message, sender),
            failure: cause => new NotListed(cause));
    }

    private void GoOn(Listed listed)
    {
        (_isListing, _listedAs) = (false, listed.Mark);
        if (listed.Message is { } message)
        {
            Handle(message, listed.Sender);
        }
        else
        {
            Settle(_state!);
        }
    }

    // Whoever asked for the merge asks again.
    private void NoteNotListed(NotListed failed)
    {
        _isListing = false;
        Warn(failed.Cause, "enter the list of unfinished merges");
    }

    private void Finish(Step step, IPersonMessage message, IActorRef sender)
    {
        _state = step.State;
        Send(step.Sends);
        switch (step.Next)
        {
            case Next.Wait:
                Wait(message, sender);
                break;
            case Next.Forward:
                _shell.People().Tell(message.Towards(_state.Upwards!, _state.Id), sender);
                break;
            case Next.Drop when IsErasedQuestion(message):
                sender.Tell(new PersonNotFound());
                break;
            case Next.Drop:
                break;
            default:
                Answer(_state, step, message, sender);
                break;
        }

        // Who wakes a home found it on the list.
        if (message is ResumeMerge && !_isListing)
        {
            _listedAs ??= LastSequenceNr + 1;
        }

        Settle(_state);
        SaveNowAndThen(_state);
    }

    // An erased id may have stayed, because others are found through its home.
    private bool IsErasedQuestion(IPersonMessage message) => message switch
    {
        GetPerson get => _shell.Erased.IsErased(get.To.Beside(get.DistinctId)),
        GetHistory get => _shell.Erased.IsErased(get.To.Beside(get.DistinctId)),
        _ => false,
    };

    private void Answer(PersonState state, Step step, IPersonMessage message, IActorRef sender)
    {
        if (message is GetPerson get)
        {
            sender.Tell(state.Snapshot(get.DistinctId) is { } person ? new PersonFound(person) : new PersonNotFound());
        }
        else if (message is GetHistory history)
        {
            // An id that was taken out of a person by a split has a history, but need not have a person.
            sender.Tell(state.Facts > 0
                ? new HistoryFound(
                    state.Id,
                    state.Facts,
                    state.Snapshot(history.DistinctId) ?? PersonSnapshot.Unborn(history.DistinctId),
                    [.. state.Root.Members.Keys])
                : new PersonNotFound());
        }
        else if (message is RewriteHome)
        {
            sender.Tell(new HomeRewritten(step.Facts.IsEmpty ? 0 : state.Facts));
        }
        else if (message is SplitPerson)
        {
            sender.Tell(new SplitAnswered(!step.Facts.IsEmpty));
        }
        else if (message is PinContactStage { DistinctId: var pinned })
        {
            AnswerOfContact(state, pinned, step.Moved, lookedWith: null, sender);
        }
        else if (message is LookAgain { DistinctId: var looked })
        {
            AnswerOfContact(
                state, looked, step.Moved, _shell.Rules(state.Id.ConnectionId).Contacts.Fingerprint, sender);
        }
        else if (message is TellAccount tell)
        {
            ImmutableArray<ObserveAccount> news = state.Snapshot(tell.DistinctId) is { } person
                ? AccountNews.Of(state.Id.ConnectionId, person, tell.Left, tell.At)
                : [];
            _telling.Tell($"tell:{tell.DistinctId}", news, Self, () => sender.Tell(new AccountTold(
                _telling.CardOf(_state!.Snapshot(tell.DistinctId)?.Contact?.Account?.Key))));
        }
        else if (message is ApplyEvents { DistinctId: var distinctId })
        {
            var contacts = _shell.Rules(state.Id.ConnectionId).Contacts;
            var news = AccountNews.Of(state.Id.ConnectionId, step.Outcomes, contacts, _telling.HasCard);
            var map = _shell.Mapping(state.Id.ConnectionId);
            _telling.Tell(distinctId, news, Self, () => sender.Tell(new EventsApplied(
                distinctId,
                [.. step.Outcomes.Select(outcome => Result(state, outcome, map, contacts))])));
        }
    }

    private static void AnswerOfContact(
        PersonState state, string distinctId, ContactMove? moved, ulong? lookedWith, IActorRef sender) =>
        sender.Tell(state.Snapshot(distinctId) is { IsIdentified: true } person
            ? new HistoryFound(state.Id, state.Facts, person, [.. state.Root.Members.Keys])
            {
                Moved = moved,
                LookedWith = lookedWith,
            }
            : new PersonNotFound());

    // Who waits is not remembered anywhere else: the ingest actor asks again if this node goes down.
    private void Wait(IPersonMessage message, IActorRef sender)
    {
        object key = message is ApplyEvents apply ? apply.DistinctId : sender;
        if (_waiting.Count < WaitingMax || _waiting.ContainsKey(key))
        {
            _waiting[key] = new Waiting(message, sender);
        }
    }

    private void Settle(PersonState state)
    {
        if (state.IsBusy)
        {
            if (!Timers.IsTimerActive(Retry.Instance))
            {
                Timers.StartPeriodicTimer(Retry.Instance, Retry.Instance, _shell.Options.MergeRetry);
            }

            return;
        }

        Timers.Cancel(Retry.Instance);
        Unlist(state);
        foreach (var (message, sender) in _waiting.Values)
        {
            Self.Tell(message, sender);
        }

        _waiting.Clear();
    }

    private void Unlist(PersonState state)
    {
        if (_listedAs is { } mark)
        {
            _listedAs = null;
            _shell.Unfinished.End(state.Id, mark).PipeTo(Self, failure: cause => new NotUnlisted(cause));
        }
    }

    private void Continue()
    {
        if (_state is { IsBusy: true } state && !_shell.Erased.IsGone(state.Id))
        {
            // It is on the list, with a mark that is not known any more.
            if (_listedAs is null)
            {
                List(state, null, Self);
            }

            Send(HomeNode.Resume(state, _shell.Rules(state.Id.ConnectionId)));
            Settle(state);
        }
    }

    // A home with unfinished business comes back at once, wherever its shard is by then.
    private void Leave()
    {
        if (_state is { IsBusy: true } state)
        {
            _shell.People().Tell(new ResumeMerge(state.Id));
        }

        Context.Stop(Self);
    }

    private void Forget()
    {
        var asking = Sender;
        _shell.Erased.Refresh().PipeTo(
            Self, success: () => new ErasedIdsKnown(asking), failure: cause => new ErasedIdsNotKnown(cause));
    }

    // Nothing is on its way to the journal: a home that waits for it takes no message.
    private void Leave(IActorRef asking)
    {
        Leave();
        asking.Tell(new HomeForgotten());
    }

    private void Load(SnapshotOffer offer)
    {
        _state = (PersonState)offer.Snapshot with { Facts = offer.Metadata.SequenceNr };
        _snapshotAt = offer.Metadata.SequenceNr;
    }

    private void SaveNowAndThen(PersonState state)
    {
        // One that is as long as its ids are many is not written again for a few more facts.
        if (LastSequenceNr - _snapshotAt >= Math.Max(_shell.Options.SnapshotEvery, state.Root.Members.Count))
        {
            _snapshotAt = LastSequenceNr;
            SaveSnapshot(state);
        }
    }

    private void DeleteOlder(SaveSnapshotSuccess saved) =>
        DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1));

    private void Warn(Exception cause, string attempt) =>
        _log.Warning(cause, "{PersistenceId} could not {Attempt}", PersistenceId, attempt);

    private void Send(IEnumerable<IPersonMessage> messages)
    {
        foreach (var message in messages)
        {
            _shell.People().Tell(message, Self);
        }
    }

    // What comes through the webhook was admitted by PostHog: nothing is learnt of it here, but it is no reason not to send.
    private EventResult Result(PersonState state, EventOutcome outcome, MapEvent map, ContactRules contacts)
    {
        var lane = state.Id.Priority.Lane;
        if (outcome.Refusal is { } refusal && outcome.At.Event.Door == Door.Capture)
        {
            return new EventResult(outcome.At.Offset, LedgerDecision.Refused, refusal, lane, [], outcome.Warnings)
            {
                Behind = outcome.Behind,
            };
        }

        var now = Now(state, outcome);
        var mapped = map(outcome.At.Event, now, outcome.Change);
        return new EventResult(
            outcome.At.Offset,
            mapped.Decision,
            mapped.Reason,
            lane,
            mapped.Messages,
            outcome.Warnings)
        {
            Behind = outcome.Behind,
            Version = mapped.Messages.Any(message => message.Kind == MessageKind.Identify) ? Present(state).Facts : null,
            News = PersonNews.Of(outcome, now, contacts),
        };
    }

    private void Hear(AccountObserved observed)
    {
        if (_state is not { } state)
        {
            return; // an answer to an earlier life
        }

        var step = HomeNode.Hear(state, observed.Key, observed.Card);
        if (step.Facts.IsEmpty || _shell.Erased.IsGone(state.Id))
        {
            _telling.Heard(observed);
            return;
        }

        PersistAll(step.Facts, _ => { }, () =>
        {
            _state = step.State;
            _telling.Heard(observed);
        });
    }

    // An answer that waited for accounts shows the person as it is by then: an alias may have taken its old name away,
    // and what it shows must not be older than what others have shown meanwhile.
    private PersonSnapshot? Now(PersonState state, EventOutcome outcome)
    {
        if (outcome.Person is not { } then)
        {
            return null;
        }

        var person = Present(state).Snapshot(outcome.At.Event.DistinctId) ?? then;
        return person with { Account = _telling.CardOf(person.Contact?.Account?.Key) };
    }

    /// <summary>The person by now, unless it has become part of another one since.</summary>
    private PersonState Present(PersonState then) => _state is { Parent: null } now ? now : then;

    private sealed record Listed(long Mark, IPersonMessage? Message, IActorRef Sender);

    private sealed record NotListed(Exception Cause);

    private sealed record NotUnlisted(Exception Cause);

    private sealed record ErasedIdsKnown(IActorRef Asking);

    private sealed record ErasedIdsNotKnown(Exception Cause);

    private readonly record struct Waiting(IPersonMessage Message, IActorRef Sender);

    private sealed record Retry
    {
        public static readonly Retry Instance = new();
    }

    /// <summary>Asks a home to leave memory: it is idle, or its shard moves.</summary>
    internal sealed record Retire
    {
        public static readonly Retire Instance = new();
    }
}

/// <summary>What surrounds every person's actor.</summary>
/// <param name="Options">How persons are kept.</param>
/// <param name="Rules">By connection id.</param>
/// <param name="Mapping">By connection id.</param>
/// <param name="Unfinished">The homes that must be woken after a crash.</param>
/// <param name="People">The region that every home is reached through.</param>
/// <param name="Accounts">The region of accounts; null where there are none.</param>
public sealed record PersonShell(
    PeopleOptions Options,
    Func<string, PersonRules> Rules,
    Func<string, MapEvent> Mapping,
    UnfinishedMerges Unfinished,
    Func<IActorRef> People,
    Func<IActorRef?> Accounts)
{
    /// <summary>Who was erased.</summary>
    public ErasedHomes Erased { get; init; } = ErasedHomes.None;
}
