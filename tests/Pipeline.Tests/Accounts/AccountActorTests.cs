using Akka.Actor;
using Akka.Persistence;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Accounts;

public sealed class AccountActorTests : IDisposable
{
    private static readonly AccountId Acme = new("main", "acme");
    private static readonly AccountId Beta = new("main", "beta");
    private static readonly AccountId Third = new("main", "third");
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly ActorSystem _system = ActorSystem.Create("account-tests", """
        akka.loglevel = OFF
        akka.stdout-loglevel = OFF
        akka.persistence.journal.plugin = akka.persistence.journal.inmem
        akka.persistence.snapshot-store.plugin = akka.persistence.snapshot-store.inmem
        """);
    private volatile bool _isOutboxAway;

    public void Dispose() => _system.Dispose();

    [Fact]
    public async Task An_account_that_was_not_told_of_the_end_of_a_merge_is_told_after_the_next_merge()
    {
        var others = _system.ActorOf(Props.Create(() => new Others()));
        var account = Start(Beta, others);
        await Ask(account, Named(Beta));
        await Ask(account, Merge(Beta, Acme));
        _isOutboxAway = true;
        account.Tell(Merge(Beta, null));
        await account.Ask<AccountFound>(new GetAccount(Beta), Patience);
        _isOutboxAway = false;
        await Ask(account, Merge(Beta, Third));

        var told = await others.Ask<IReadOnlyList<string>>("told", Patience);

        Assert.Equal(["acme part", "acme none", "third part"], told);
    }

    [Fact]
    public async Task Accounts_that_were_merged_into_each_other_do_not_wait_for_each_other()
    {
        var accounts = new Dictionary<AccountId, IActorRef>();
        var region = _system.ActorOf(Props.Create(() => new Region(accounts)));
        accounts[Acme] = Start(Acme, region);
        accounts[Beta] = Start(Beta, region);
        foreach (var (one, other) in ((AccountId, AccountId)[])[(Acme, Beta), (Beta, Acme)])
        {
            await Ask(accounts[one], Named(one));
            await Ask(accounts[other], Named(other));
            await Ask(accounts[one], Merge(one, other));
            await Ask(accounts[one], Merge(one, null));
        }

        foreach (var id in (AccountId[])[Acme, Beta])
        {
            await accounts[id].Ask<AccountForgotten>(new ForgetAccount(id), Patience);
            accounts[id] = Start(id, region);
        }

        var both = await Task.WhenAll(accounts.Select(one => one.Value.Ask<AccountObserved>(Named(one.Key), Patience)));

        Assert.Equal(2, both.Length);
    }

    [Fact]
    public async Task An_account_of_many_members_comes_back_from_a_snapshot_and_a_fraction_of_its_facts()
    {
        const int members = 400;
        var account = Start(Acme, ActorRefs.Nobody);
        for (var member = 0; member < members; member++)
        {
            await Ask(account, Joined(Acme, member));
        }

        await account.Ask<AccountForgotten>(new ForgetAccount(Acme), Patience);
        using var patience = new CancellationTokenSource(Patience);
        var last = -1L;
        while (last < members * 3 / 4) // a snapshot is saved beside what goes on
        {
            patience.Token.ThrowIfCancellationRequested();
            var replay = _system.ActorOf(Props.Create(() => new Replay(AccountId.PersistenceIdOf(Acme.EntityId))));
            (last, var facts) = await replay.Ask<(long Snapshot, long Facts)>("how many", Patience);
            Assert.True(last + facts >= members);
        }
    }

    private IActorRef Start(AccountId id, IActorRef region) => _system.ActorOf(Props.Create(() => new AccountActor(
        id.EntityId,
        new AccountShell(
            new AccountsOptions(),
            _ => StageRules.None,
            _ => _isOutboxAway ? Task.FromException(new TimeoutException()) : Task.CompletedTask,
            () => region))));

    private static Task<object> Ask(IActorRef account, IAccountMessage message) => account.Ask<object>(message, Patience);

    private static ObserveAccount Named(AccountId id) => new(
        id,
        "",
        [],
        [new GroupSays(UuidV5.Create(id.Uuid, "name"), "company", Captured.Nine, [new NamedValue("name", new JsonValue("\"A\""))])]);

    private static ObserveAccount Joined(AccountId id, int member)
    {
        var name = $"u{member}";
        var contact = new AccountContact(name, name, AccountRule.EmailDomain, "acme", null, null, null, 0, 0);
        return new ObserveAccount(id, "", [new MemberSays(UuidV5.Create(id.Uuid, name), 1, contact, Captured.Nine)], []);
    }

    private static MergeAccount Merge(AccountId id, AccountId? into) => new(id, into, "op", Captured.Nine);

    private sealed class Others : ReceiveActor
    {
        private readonly List<string> _told = [];

        public Others()
        {
            Receive<TakePart>(take =>
            {
                _told.Add($"{take.To.Key} {(take.Part is null ? "none" : "part")}");
                Sender.Tell(new PartTaken(new AccountCard(take.To.Key, null)));
            });
            Receive<string>(_ => Sender.Tell((IReadOnlyList<string>)[.. _told]));
        }
    }

    /// <summary>Counts what brings an account back.</summary>
    private sealed class Replay : ReceivePersistentActor
    {
        private long _snapshot;
        private long _facts;

        public Replay(string persistenceId)
        {
            PersistenceId = persistenceId;
            Recover<SnapshotOffer>(offer => _snapshot = offer.Metadata.SequenceNr);
            Recover<AccountFact>(_ => _facts++);
            Command<string>(_ =>
            {
                Sender.Tell((_snapshot, _facts));
                Context.Stop(Self);
            });
        }

        public override string PersistenceId { get; }
    }

    private sealed class Region : ReceiveActor
    {
        public Region(Dictionary<AccountId, IActorRef> accounts) =>
            Receive<IAccountMessage>(message => accounts[message.To].Forward(message));
    }
}
