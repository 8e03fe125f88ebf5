using System.Collections.Immutable;
using System.Text;
using Akka.Actor;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Accounts;

/// <summary>The golden files are what journals already hold: they may be added to, never changed.</summary>
public sealed class AccountSerializerTests : IDisposable
{
    private static readonly Guid Ada = new("0198c2a0-0000-7000-8000-0000000000a1");
    private readonly ActorSystem _system = ActorSystem.Create("serializer-tests", "akka.stdout-loglevel = OFF");
    private readonly AccountSerializer _serializer;

    public AccountSerializerTests() => _serializer = new AccountSerializer((ExtendedActorSystem)_system);

    public static TheoryData<string> Manifests() =>
        [.. AccountSerializer.Manifests.Values.Order(StringComparer.Ordinal)];

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
    public void Everything_that_an_account_takes_or_keeps_has_a_manifest()
    {
        var wire = typeof(AccountFact).Assembly.GetTypes()
            .Where(type => !type.IsAbstract)
            .Where(type => type.IsAssignableTo(typeof(AccountFact)) || type.IsAssignableTo(typeof(IAccountMessage)));

        Assert.All(wire, type => Assert.Contains(type, AccountSerializer.Manifests.Keys));
    }

    [Fact]
    public void The_serializers_number_is_the_one_in_every_journal() => Assert.Equal(7501, _serializer.Identifier);

    [Fact]
    public void An_account_with_others_merged_into_it_comes_back_whole()
    {
        var state = Samples().OfType<AccountState>().Single();
        var part = Samples().OfType<TakePart>().Single().Part;
        var merged = state with
        {
            Target = state.Id,
            MergedAt = Captured.Nine,
            Parts = AccountState.NoParts.Add("other", new PartHeard(7, part) { Before = new BeforePart(3, "lead"), IsOwed = true }),
            Lost = ["industry"],
        };

        var read = (AccountState)_serializer.FromBinary(_serializer.ToBinary(merged), "account.state.v1");

        Assert.Equal((merged.Target, merged.MergedAt), (read.Target, read.MergedAt));
        Assert.Equal(7, read.Parts!["other"].Number);
        Assert.Equal(new BeforePart(3, "lead"), read.Parts["other"].Before);
        Assert.Equal(["industry"], read.Lost!);
        Assert.Equal(merged.ShownDomains.AsEnumerable(), read.ShownDomains);
    }

    private static string Golden(string manifest) =>
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Accounts", "Golden", $"{manifest}.json")).TrimEnd();

    private static IEnumerable<object> Samples()
    {
        var id = new AccountId("main", "dév ☃.example");
        var contact = new AccountContact(
            "acc-1", "acc-1", AccountRule.EmailDomain, "example.com", "example.com", "Exämple", "lead", 5, ulong.MaxValue);
        var member = new MemberSays(Ada, 7, contact, Captured.Nine);
        ImmutableArray<NamedValue> set = [new("seats", new JsonValue("1.50")), new("x", new JsonValue("""{"a":[null]}"""))];
        var place = new StagePlace("lead", Captured.Nine, "plan exists", "ada");
        var state = AccountState.Unborn(id) with
        {
            GroupType = "company",
            Traits = ImmutableDictionary<string, JsonValue>.Empty.Add("seats", new JsonValue("1.50")),
            StatedName = "Exämple",
            GivenName = "Example",
            Domains = AccountState.Unborn(id).Domains.Add("example.com", 1),
            Members = ImmutableDictionary<Guid, AccountMember>.Empty
                .Add(Ada, new AccountMember(7, contact, Captured.Nine, null)),
            Stage = place,
            Moves = [new AccountMove(3, new StageMove(null, "lead", "plan exists"), Captured.Nine)],
            Heard = [Ada],
            Version = 4,
            ChangedAt = Captured.Nine,
        };
        yield return new ForgetMembers(id, [Ada], Captured.Nine);
        yield return new ForgetAccount(id);
        yield return new AccountForgotten();
        yield return new AccountFact.MemberErased(Ada, Captured.Nine);
        yield return new ObserveAccount(
            id,
            "3:acc-1",
            [member, member with { Contact = null }],
            [new GroupSays(Ada, "company", Captured.Nine, set)]);
        yield return new AccountObserved(id.Key, "3:acc-1", new AccountCard(id.Key, "Example"));
        yield return new GetAccount(id);
        yield return new AccountFound(state);
        yield return new RenameAccount(id, "Example", "ada", Captured.Nine);
        yield return new PinAccountStage(id, "lead", "ada", Captured.Nine);
        yield return new AccountChanged(null);
        var part = new AccountPart(state.Traits, "Exämple", state.Domains, 1, [1, 0], ulong.MaxValue);
        yield return new MergeAccount(id, id with { Key = "other" }, "ada", Captured.Nine);
        yield return new TakePart(id, "other", 7, part, Captured.Nine);
        yield return new PartTaken(null);
        yield return new AccountFact.MergedInto(id, "ada", Captured.Nine);
        yield return new AccountFact.PartSeen("other", 7, part, Captured.Nine) { IsOwed = true };
        yield return new AccountFact.MemberSeen(member) { Account = id };
        yield return new AccountFact.GroupSeen(Ada, "company", Captured.Nine, set);
        yield return new AccountFact.StageMoved(place);
        yield return new AccountFact.NameGiven(null, "ada", Captured.Nine);
        yield return state;
    }
}
