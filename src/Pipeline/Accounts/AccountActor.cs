using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What surrounds every account's actor.</summary>
/// <param name="Options">How accounts are kept.</param>
/// <param name="Stages">The stages of a connection's accounts, by connection id.</param>
/// <param name="Send">Puts what the account has to tell Variance into the outbox, unless it is there; ends once it is
/// durable.</param>
/// <param name="Accounts">The region that every account is reached through.</param>
public sealed record AccountShell(
    AccountsOptions Options,
    Func<string, StageRules> Stages,
    Func<AccountState, Task> Send,
    Func<IActorRef> Accounts)
{
    /// <summary>How long an account waits for the one that it is merged into.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Who was erased.</summary>
    public ErasedHomes Erased { get; init; } = ErasedHomes.None;
}

/// <summary>The shell around <see cref="Account"/>: durability, time and the way into the outbox. An answer leaves once
/// the facts are in the journal, the messages that follow from them are in the outbox, and the accounts that it is or was
/// merged into know them; whoever gets none asks again. Another account waits for journal and outbox only: accounts that
/// wait for each other would wait for ever.</summary>
public sealed class AccountActor : ReceivePersistentActor
{
    private const int MembersPerFact = 8;

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Queue<Waiting> _waiting = [];
    private readonly AccountShell _shell;
    private AccountState? _state;
    private long _snapshotAt;
    private long _written = -1;
    private long _sent = -1;
    private ImmutableHashSet<AccountId> _informed = [];
    private AccountCard? _target;
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
        Command<ForgetAccount>(_ => Leave());
        Command<IAccountMessage>(Handle);
        Command<Written>(Inform);
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

    private void Leave()
    {
        Sender.Tell(new AccountForgotten());
        Context.Stop(Self);
    }

    private void Handle(IAccountMessage message)
    {
        if (message is ObserveAccount observe)
        {
            message = WithoutErased(observe);
        }

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

    // What an erased person said before may still be on its way.
    private ObserveAccount WithoutErased(ObserveAccount observe) => observe with
    {
        Members = observe.Members.RemoveAll(says => says.Contact is { } contact
            && _shell.Erased.IsErased(new PersonId(observe.To.ConnectionId, contact.DistinctId))),
    };

    private void Finish(AccountState state, IAccountMessage message, IActorRef sender)
    {
        _state = state;
        if (message is GetAccount)
        {
            sender.Tell(new AccountFound(state.Facts > 0 ? state : null));
            return;
        }

        if (message is TakePart && (state.IsMerged || state.Facts <= _written))
        {
            sender.Tell(Taken(state));
            return;
        }

        _waiting.Enqueue(new Waiting(state.Facts, message, sender));
        AnswerOrSend(state);
        SaveNowAndThen(state);
    }

    // Several changes may go out as one: the outbox gets the newest, whoever waited for an older one is answered too.
    private void AnswerOrSend(AccountState state)
    {
        while (_waiting.TryPeek(out var next) && next.Facts <= _sent)
        {
            _waiting.Dequeue();
            next.Sender.Tell(Answer(state, next.Message));
        }

        if (_waiting.Count == 0 || _isSending)
        {
            return;
        }

        _isSending = true;
        _shell.Send(state).PipeTo(Self, success: () => new Written(state), failure: cause => new NotSent(cause));
    }

    private void Inform(Written written)
    {
        var state = written.State;
        _written = Math.Max(_written, state.Facts);
        for (var count = _waiting.Count; count > 0; count--)
        {
            var next = _waiting.Dequeue();
            if (next.Message is TakePart && next.Facts <= _written)
            {
                next.Sender.Tell(Taken(state));
            }
            else
            {
                _waiting.Enqueue(next);
            }
        }

        // Who has once said that it holds no part any more need not be told again, unless it gets one.
        _informed = state.IsMerged ? _informed.Remove(state.Target!) : _informed;
        InformAsync(state, [.. state.Left.Where(left => !_informed.Contains(left))])
            .PipeTo(Self, success: sent => sent, failure: cause => new NotSent(cause));
    }

    private async Task<Sent> InformAsync(AccountState state, ImmutableArray<AccountId> left)
    {
        var informed = ImmutableArray.CreateBuilder<AccountId>();
        foreach (var one in left)
        {
            if (await HandOnAsync(state, one, null).ConfigureAwait(false) is { Card: not null })
            {
                informed.Add(one);
            }
        }

        var part = Account.PartOf(state, _shell.Stages(state.Id.ConnectionId));
        var taken = part is null ? null : await HandOnAsync(state, state.Target!, part).ConfigureAwait(false);
        return new Sent(state.Facts, taken, informed.DrainToImmutable());
    }

    private Task<PartTaken> HandOnAsync(AccountState state, AccountId to, AccountPart? part) =>
        _shell.Accounts().Ask<PartTaken>(
            new TakePart(
                to, state.Id.Key, state.Facts, part, state.HeardAt > state.ChangedAt ? state.HeardAt : state.ChangedAt),
            AccountShell.Patience);

    private static PartTaken Taken(AccountState state) => new(state.IsMerged ? null : state.Card);

    private object Answer(AccountState state, IAccountMessage message) => message switch
    {
        ObserveAccount observe => new AccountObserved(
            observe.To.Key,
            observe.Token,
            state.IsMerged && _target is not null ? _target : state.Card),
        TakePart => Taken(state),
        _ => new AccountChanged(state.Facts > 0 ? state : null),
    };

    private void GoOn(Sent sent)
    {
        (_isSending, _sent, _target) = (false, Math.Max(_sent, sent.Facts), sent.Target?.Card);
        _informed = _informed.Union(sent.Informed);
        if (_state is { IsMerged: true } state && sent.Target is { Card: null })
        {
            TakeBack(state);
            return;
        }

        AnswerOrSend(_state!);
    }

    // The other one has been merged itself meanwhile: of two wishes that cannot be both fulfilled, none is.
    private void TakeBack(AccountState state)
    {
        var message = new MergeAccount(state.Id, null, "conflict", state.ChangedAt);
        var step = Account.Decide(state, message, _shell.Stages(state.Id.ConnectionId));
        PersistAll(step.Facts, _ => { }, () =>
        {
            _state = step.State;
            AnswerOrSend(step.State);
        });
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

    // A snapshot is as large as the account has members: large ones are written less often. Yet whoever asks for an account that is not
    // in memory waits for all facts behind the last one.
    private void SaveNowAndThen(AccountState state)
    {
        if (LastSequenceNr - _snapshotAt >= Math.Max(_shell.Options.SnapshotEvery, state.Members.Count / MembersPerFact))
        {
            _snapshotAt = LastSequenceNr;
            SaveSnapshot(state);
        }
    }

    private void DeleteOlder(SaveSnapshotSuccess saved) =>
        DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1));

    private void Warn(Exception cause, string attempt) =>
        _log.Warning(cause, "{PersistenceId} could not {Attempt}", PersistenceId, attempt);

    private readonly record struct Waiting(long Facts, IAccountMessage Message, IActorRef Sender);

    private sealed record Written(AccountState State);

    private sealed record Sent(long Facts, PartTaken? Target, ImmutableArray<AccountId> Informed);

    private sealed record NotSent(Exception Cause);
}
