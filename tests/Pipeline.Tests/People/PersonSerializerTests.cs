using System.Collections.Immutable;
using System.Text;
using Akka.Actor;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

/// <summary>The golden files are what journals already hold: they may be added to, never changed.</summary>
public sealed class PersonSerializerTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("serializer-tests", "akka.stdout-loglevel = OFF");
    private readonly PersonSerializer _serializer;

    public PersonSerializerTests() => _serializer = new PersonSerializer((ExtendedActorSystem)_system);

    public static TheoryData<string> Manifests() =>
        [.. PersonSerializer.Manifests.Values.Order(StringComparer.Ordinal)];

    public void Dispose() => _system.Dispose();

    [Theory]
    [MemberData(nameof(Manifests))]
    public void What_is_written_is_what_the_golden_file_says(string manifest)
    {
        var sample = Samples().Single(sample => _serializer.Manifest(sample) == manifest);

        var written = Encoding.UTF8.GetString(_serializer.ToBinary(sample));

        Assert.Equal(Golden(manifest), written);
    }

    [Theory]
    [MemberData(nameof(Manifests))]
    public void What_the_golden_file_says_is_read_back_whole(string manifest)
    {
        var read = _serializer.FromBinary(Encoding.UTF8.GetBytes(Golden(manifest)), manifest);

        Assert.Equal(manifest, _serializer.Manifest(read));
        Assert.Equal(Golden(manifest), Encoding.UTF8.GetString(_serializer.ToBinary(read)));
    }

    [Fact]
    public void Everything_that_a_home_takes_or_keeps_has_a_manifest()
    {
        var wire = typeof(PersonFact).Assembly.GetTypes()
            .Where(type => !type.IsAbstract)
            .Where(type => type.IsAssignableTo(typeof(PersonFact)) || type.IsAssignableTo(typeof(IPersonMessage)));

        Assert.All(wire, type => Assert.Contains(type, PersonSerializer.Manifests.Keys));
    }

    [Fact]
    public void The_serializers_number_is_the_one_in_every_journal() => Assert.Equal(7301, _serializer.Identifier);

    [Fact]
    public void A_root_that_holds_several_persons_comes_back_whole()
    {
        var undone = new UndoneMerge(new MergeId("acc-1", 41), new MergeAsk(MergeKind.Alias, "x", "acc-1"));
        var apart = new PersonsApart([new PersonPart(State().Root.Profile, ["x", "y"])], [undone]);
        var state = State() with { Root = State().Root with { Apart = apart } };

        var read = (PersonState)_serializer.FromBinary(_serializer.ToBinary(state), _serializer.Manifest(state));

        Assert.Equal(["x", "y"], read.Root.SeenFrom("y").Ids.AsEnumerable());
        Assert.Equal(State().Root.Ids.AsEnumerable(), read.Root.SeenFrom("y").Apart!.Persons[0].Ids);
        Assert.Equal([undone], read.Root.Apart!.Undone.AsEnumerable());
    }

    [Fact]
    public void How_many_refusals_a_root_forgot_is_known_everywhere_that_it_matters()
    {
        var root = State().Root with { Refusals = 200, Forgotten = 72 };
        var merge = new Merge(new MergeId("acc-1", 41), new MergeAsk(MergeKind.Alias, "x", "acc-1"));
        var again = new MergeRefusal(RefusalReason.Settled, null);

        Assert.Equal((200, 72), (Back(State() with { Root = root }).Root.Refusals, Back(State() with { Root = root }).Root.Forgotten));
        Assert.Equal(5, Back(new PersonFact.Sealed(new Seal(1, merge, Homes.Home("x")) { Refusals = 5 })).Seal.Refusals);
        Assert.Equal(5, Back(new Unite(Homes.Home("x"), merge, Homes.Home("y")) { Refusals = 5 }).Refusals);
        Assert.Equal(5, Back(new Absorb(Homes.Home("x"), Homes.Home("y"), 1, merge.Id, root) { Refusals = 5 }).Refusals);
        Assert.Equal(7, Back(new PersonFact.AbsorbRefused(Homes.Home("x"), 1, again, null) { Forgotten = 7 }).Forgotten);
    }

    [Fact]
    public void Property_values_of_any_depth_pass_inside_a_fact()
    {
        var deep = new JsonValue($"{new string('[', 62)}1{new string(']', 62)}");
        var update = new PropertyUpdate([new NamedValue("deep", deep)], [], []);
        var fact = new PersonFact.EventApplied(Applied() with { Update = update }, [0], true, []);

        var read = (PersonFact.EventApplied)_serializer.FromBinary(
            _serializer.ToBinary(fact),
            _serializer.Manifest(fact));

        Assert.Equal(deep, read.Event.Update.Set[0].Value);
    }

    private T Back<T>(T whole)
        where T : notnull => (T)_serializer.FromBinary(_serializer.ToBinary(whole), _serializer.Manifest(whole));

    private static string Golden(string manifest) =>
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "People", "Golden", $"{manifest}.json")).TrimEnd();

    private static IEnumerable<object> Samples()
    {
        var (device, account) = (Homes.Home("dév ☃-1"), Homes.Home("acc-1"));
        var merge = new Merge(new MergeId("acc-1", 41), new MergeAsk(MergeKind.Identify, "dév ☃-1", "acc-1"));
        var refusal = new MergeRefusal(
            RefusalReason.AlreadyIdentified,
            new IngestionWarning("cannot_merge_already_identified", """{"distinctId":"acc-1"}"""));
        var cursors = ImmutableArray.Create(new Cursor("acc-1", 41), new Cursor("dév ☃-1", 7));
        var settled = new SettledMerge(
            merge.Id,
            MergeResult.Merged,
            null,
            [0, 2],
            "acc-1",
            UserIdSource.Identify,
            new EventChange(true, ["dév ☃-1"]),
            []);

        var person = State().Snapshot()!;
        yield return new ApplyEvents(account, "acc-1", [new EventAt(41, Captured())]) { Through = [device] };
        yield return new EventsApplied("acc-1", [Result()]);
        yield return new GetPerson(account);
        yield return new PersonFound(person);
        yield return new PersonNotFound();
        yield return new GetHistory(account);
        yield return new HistoryFound(account, 12, person, ["acc-1", "dév ☃-1"]);
        yield return new TellAccount(account, [new AccountLeft(person.PersonUuid, "acme")], Tests.People.Captured.Nine);
        yield return new PinContactStage(account, "lead", "ada", Tests.People.Captured.Nine);
        yield return new LookAgain(account, Tests.People.Captured.Nine);
        yield return new PersonFact.WindowEnded(
            "acc-1",
            new ContactTurn(null, null, -1, 0, 0, null, null) { LookedAt = Tests.People.Captured.Nine, LookedAs = 5 },
            Tests.People.Captured.Nine)
        { Cursors = cursors };
        yield return new PersonFact.StagePinned("acc-1", new ContactTurn(
            new AccountLink("acme", AccountRule.GroupCall, "acme"),
            new StagePlace("lead", Tests.People.Captured.Nine, "pinned", "ada"),
            1,
            5,
            7,
            "example.com",
            null))
        { Cursors = cursors };
        yield return new AccountTold(new AccountCard("acme", null));
        yield return new SplitPerson(account, 12, Split(merge));
        yield return new SplitAnswered(true);
        yield return new ForgetHome(account);
        yield return new HomeForgotten();
        yield return new RewriteHome(account, ["dév ☃-1"]);
        yield return new HomeRewritten(13);
        var rest = State() with { Seals = 3, Seal = new Seal(3, merge, account) };
        yield return new PersonFact.Rewritten(rest, 13) { Home = account };
        yield return Split(merge) with { Cursors = cursors };
        yield return new Unite(device, merge, account);
        yield return new Absorb(account, device, 3, merge.Id, State().Root);
        yield return new SealAbsorbed(device, 3, account);
        yield return new SealRefused(device, 3, refusal);
        yield return new ShortenPath(device, account);
        yield return new ResumeMerge(device);
        yield return new PersonFact.EventApplied(Applied(), [0, 3], true, []) { Home = account, Cursors = cursors };
        yield return new PersonFact.MergeAsked(new PendingMerge(merge.Ask, Applied())) { Cursors = cursors };
        yield return new PersonFact.MergeEnded(settled with { Result = MergeResult.Same });
        yield return new PersonFact.Sealed(new Seal(3, merge, account)) { Cursors = cursors };
        yield return new PersonFact.Unsealed(3, RefusalReason.AlreadyIdentified, settled with
        {
            Result = MergeResult.Refused,
            Refusal = RefusalReason.AlreadyIdentified,
            Warnings = [refusal.Warning!],
        });
        yield return new PersonFact.Linked(3, account);
        yield return new PersonFact.Absorbed(device, 3, State().Root, settled) { Cursors = cursors };
        yield return new PersonFact.AccountRedirected("acc-1", "acme", "other") { Cursors = cursors };
        yield return new PersonFact.AbsorbRefused(device, 3, refusal, null);
        yield return State() with { Seals = 3, Seal = new Seal(3, merge, account) };
    }

    private static PersonFact.Split Split(Merge merge) => new(
        new UndoneMerge(merge.Id, merge.Ask),
        Applied() with { Update = PropertyUpdate.None },
        "acc-1",
        [new PersonPart(State().Root.Profile, ["acc-1"]), new PersonPart(null, ["dév ☃-1"])],
        ["old"])
    {
        Was = new ContactApart(State().Root.Profile!.Uuid, null, 6),
    };

    private static AppliedEvent Applied() => new(
        "acc-1",
        41,
        40,
        new Guid("0198c2a0-0000-7000-8000-0000000000a1"),
        "$identify",
        Tests.People.Captured.Nine,
        new PropertyUpdate(
            [new NamedValue("plan", new JsonValue("\"prö \\\"1\\\"\"")), new NamedValue("n", new JsonValue("1.50"))],
            [new NamedValue("first", new JsonValue("""{"a":[1,null,true]}"""))],
            ["gone"]));

    private static PersonState State()
    {
        var id = Homes.Home("dév ☃-1");
        var kept = new KeptOutcome(7, EventChange.None, []);
        var refused = new MergeRefusal(RefusalReason.Settled, null);
        var profile = new PersonProfile(
            PersonUuid.Of(id),
            "acc-1",
            UserIdSource.Alias,
            true,
            Tests.People.Captured.Nine,
            ImmutableDictionary<string, JsonValue>.Empty.Add("plan", new JsonValue("\"pro\"")),
            5);
        var root = PersonRoot.Empty with
        {
            Profile = profile,
            Ids = ["dév ☃-1"],
            Pending = [new PendingMerge(new MergeAsk(MergeKind.Alias, "x", "dév ☃-1"), Applied())],
            Refused = PersonRoot.Empty.Refused.Add("y", new RefusedSeal(2, refused)),
        };
        return PersonState.Unborn(id) with { Root = root.With("dév ☃-1", new Member(7, true, [kept])) };
    }

    private static CaptureEvent Captured() => Tests.People.Captured.Event(
        "$identify",
        "acc-1",
        """{"$anon_distinct_id":"dév ☃-1"}""",
        uuid: new Guid("0198c2a0-0000-7000-8000-0000000000a1"),
        notes: CaptureNotes.UuidMade | CaptureNotes.Historical);

    private static EventResult Result() => new(
        41,
        LedgerDecision.Queued,
        "",
        ulong.MaxValue,
        [new OutboundMessage(MessageKind.Alias, "m-1", """{"type":"alias"}"""u8.ToArray())],
        [new IngestionWarning("distinct_id_truncated", "{}")]);
}
