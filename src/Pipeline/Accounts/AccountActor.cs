using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What surrounds every account's actor.</summary>
/// <param name="Options">How accounts are kept.</param>
/// <param name="Stages">The stages of a connection's accounts, by connection id.</param>
/// <param name="Send">Puts what the account has to tell Variance into the outbox, unless it is there; ends once it is
/// durable, with the version that is there.</param>
public sealed record AccountShell(
    AccountsOptions Options,
    Func<string, StageRules> Stages,
    Func<AccountState, Task<long>> Send);

/// <summary>The shell around <see cref="Account"/>: durability, time and the way into the outbox. An answer leaves once the
/// facts are in the journal and the messages that follow from them are in the outbox; whoever gets none asks again.</summary>
public sealed class AccountActor : ReceivePersistentActor
{
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Queue<Waiting> _waiting = [];
    private readonly AccountShell _shell;
    private AccountState? _state;
    private long _snapshotAt;
    private long _sent = -1;
    private bool _isSending;

    /// <summary>The actor of one account.</summary>
    /// <param name="entityId">The account's <see cref="AccountId.EntityId"/>.</param>
    /// <param name="shell">What surrounds it.</param>
    public AccountActor(string entityId, AccountShell shell)
    {
        _shell = shell;
        PersistenceId = AccountId.PersistenceIdOf(entityId);
        Recover<SnapshotOffer>(Load);
        Recover<AccountFact>(fact => _state = Account.Evolve(_state, fact));
        Command<IAccountMessage>(Handle);
        Command<Sent>(GoOn);
        Command<NotSent>(GiveUp);
        Command<SaveSnapshotSuccess>(DeleteOlder);
        Command<SaveSnapshotFailure>(failed => Warn(failed.Cause, "save a snapshot"));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(failed => Warn(failed.Cause, "delete old snapshots"));
    }

    /// <inheritdoc />
    public override string PersistenceId { get; }

    /// <inheritdoc />
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    private void Handle(IAccountMessage message)
    {
        _state ??= AccountState.Unborn(message.To);
        var step = Account.Decide(_state, message, _shell.Stages(_state.Id.ConnectionId));
        var sender = Sender;
        if (step.Facts.IsEmpty)
        {
            Finish(step.State, message, sender);
            return;
        }

        PersistAll(step.Facts, _ => { }, () => Finish(step.State, message, sender));
    }

    private void Finish(AccountState state, IAccountMessage message, IActorRef sender)
    {
        _state = state;
        if (message is GetAccount)
        {
            sender.Tell(new AccountFound(state.Facts > 0 ? state : null));
            return;
        }

        _waiting.Enqueue(new Waiting(state.Version, message, sender));
        AnswerOrSend(state);
        SaveNowAndThen(state);
    }

    // Several changes may go out as one: the outbox gets the newest, whoever waited for an older one is answered too.
    private void AnswerOrSend(AccountState state)
    {
        while (_waiting.TryPeek(out var next) && next.Version <= _sent)
        {
            _waiting.Dequeue();
            next.Sender.Tell(Answer(state, next.Message));
        }

        if (_waiting.Count == 0 || _isSending)
        {
            return;
        }

        _isSending = true;
        _shell.Send(state).PipeTo(Self, success: version => new Sent(version), failure: cause => new NotSent(cause));
    }

    private static object Answer(AccountState state, IAccountMessage message) => message is ObserveAccount observe
        ? new AccountObserved(observe.To.Key, observe.Token, state.Card)
        : new AccountChanged(state.Facts > 0 ? state : null);

    private void GoOn(Sent sent)
    {
        (_isSending, _sent) = (false, Math.Max(_sent, sent.Version));
        AnswerOrSend(_state!);
    }

    private void GiveUp(NotSent failed)
    {
        _isSending = false;
        _waiting.Clear();
        Warn(failed.Cause, "put its messages into the outbox");
    }

    private void Load(SnapshotOffer offer)
    {
        _state = Account.Recount((AccountState)offer.Snapshot) with { Facts = offer.Metadata.SequenceNr };
        _snapshotAt = offer.Metadata.SequenceNr;
    }

    // A snapshot is as large as the account has members: large ones are written less often.
    private void SaveNowAndThen(AccountState state)
    {
        if (LastSequenceNr - _snapshotAt >= Math.Max(_shell.Options.SnapshotEvery, state.Members.Count))
        {
            _snapshotAt = LastSequenceNr;
            SaveSnapshot(state);
        }
    }

    private void DeleteOlder(SaveSnapshotSuccess saved) =>
        DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1));

    private void Warn(Exception cause, string attempt) =>
        _log.Warning(cause, "{PersistenceId} could not {Attempt}", PersistenceId, attempt);

    private readonly record struct Waiting(long Version, IAccountMessage Message, IActorRef Sender);

    private sealed record Sent(long Version);

    private sealed record NotSent(Exception Cause);
}
