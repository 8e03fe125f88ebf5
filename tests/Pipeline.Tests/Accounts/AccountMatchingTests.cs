using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Tests.Stages;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Accounts;

public sealed class AccountMatchingTests
{
    [Fact]
    public void A_group_call_goes_before_everything()
    {
        var match = Match(Options(), """{"email":"ada@example.com","company":{"id":7}}""", group: "acme");

        Assert.Equal(new AccountLink("acme", AccountRule.GroupCall, "acme"), match.Link);
        Assert.Empty(match.Misses);
    }

    [Theory]
    [InlineData("""{"company":{"id":"c-7","name":"Acme"}}""", "c-7", "company.id")]
    [InlineData("""{"company":{"id":7}}""", "7", "company.id")]
    [InlineData("""{"company.id":"flat","company":{"id":"deep"}}""", "flat", "company.id")]
    [InlineData("""{"company":{"id":"a\"b"}}""", "a\"b", "company.id")]
    [InlineData("""{"company":{"id":"  "},"org":"second"}""", "second", "org")]
    [InlineData("""{"company":{"id":null,"name":" Acme "}}""", "Acme", "company.name")]
    [InlineData("""{"company":{"id":{"x":1},"name":"Acme"}}""", "Acme", "company.name")]
    public void Traits_go_before_the_domain(string traits, string key, string path)
    {
        var options = Options();
        (options.IdPaths, options.NamePaths) = (["company.id", "org"], ["company.name"]);

        var match = Match(options, traits[..^1] + ",\"email\":\"ada@example.com\"}");

        Assert.Equal(new AccountLink(key, AccountRule.TraitPath, path), match.Link);
        Assert.Equal([(AccountRule.GroupCall, AccountMiss.NoGroup)], match.Misses.AsEnumerable());
    }

    [Theory]
    [InlineData("ada@example.com", "example.com")]
    [InlineData("Ada@Mail.EXAMPLE.co.uk", "example.co.uk")]
    [InlineData(" ada@example.com. ", "example.com")]
    [InlineData("\\\"a@b\\\"@example.com", "example.com")]
    [InlineData("ada@münchen.de", "xn--mnchen-3ya.de")]
    [InlineData("INFO@MÜNCHEN.DE", "xn--mnchen-3ya.de")]
    [InlineData("ada@shop.city.kobe.jp", "city.kobe.jp")]
    [InlineData("ada@a.b.kobe.jp", "a.b.kobe.jp")]
    [InlineData("ada@unlisted.nosuchsuffix", "unlisted.nosuchsuffix")]
    public void The_registrable_domain_of_the_address_is_the_account(string address, string domain)
    {
        var match = Match(Options(), $$"""{"email":"{{address}}"}""");

        Assert.Equal(new AccountLink(domain, AccountRule.EmailDomain, domain), match.Link);
        Assert.Equal(
            [(AccountRule.GroupCall, AccountMiss.NoGroup), (AccountRule.TraitPath, AccountMiss.NotConfigured)],
            match.Misses.AsEnumerable());
    }

    [Theory]
    [InlineData("{}", AccountMiss.NoAddress)]
    [InlineData("""{"email":7}""", AccountMiss.NoAddress)]
    [InlineData("""{"email":"ada"}""", AccountMiss.NoAddress)]
    [InlineData("""{"email":"@example.com"}""", AccountMiss.NoAddress)]
    [InlineData("""{"email":"ada@localhost"}""", AccountMiss.NoAddress)]
    [InlineData("""{"email":"ada@10.0.0.1"}""", AccountMiss.NoAddress)]
    [InlineData("""{"email":"ada@exa mple.com"}""", AccountMiss.NoAddress)]
    [InlineData("""{"email":"ada@co.uk"}""", AccountMiss.PublicSuffix)]
    [InlineData("""{"email":"ada@gmail.com"}""", AccountMiss.FreeMail)]
    [InlineData("""{"email":"ada@GoogleMail.com"}""", AccountMiss.FreeMail)]
    [InlineData("""{"email":"ada@yahoo.co.uk"}""", AccountMiss.FreeMail)]
    [InlineData("""{"email":"ada@privaterelay.appleid.com"}""", AccountMiss.FreeMail)]
    [InlineData("""{"email":"ada@mailinator.com"}""", AccountMiss.Disposable)]
    [InlineData("""{"email":"ada@0-mail.com"}""", AccountMiss.Disposable)]
    [InlineData("""{"email":"ada@mail.own.example"}""", AccountMiss.NoAccountDomain)]
    public void Addresses_that_are_no_companys_make_no_account(string traits, AccountMiss why)
    {
        var options = Options();
        options.NoAccountDomains = ["Own.example"];

        var match = Match(options, traits);

        Assert.Null(match.Link);
        Assert.Equal((AccountRule.EmailDomain, why), match.Misses[^1]);
    }

    [Fact]
    public void A_connection_knows_better_than_the_lists()
    {
        var options = Options();
        options.AccountDomains = ["gmail.com"];

        Assert.Equal("gmail.com", Match(options, """{"email":"ada@gmail.com"}""").Link?.Key);
    }

    [Fact]
    public void A_rule_that_is_off_says_so()
    {
        var options = Options();
        options.ByEmailDomain = false;

        var match = Match(options, """{"email":"ada@example.com"}""");

        Assert.Equal((AccountRule.EmailDomain, AccountMiss.NotConfigured), match.Misses[^1]);
    }

    [Fact]
    public void A_visitor_belongs_to_an_account_only_by_a_group_call()
    {
        var matching = new AccountMatching(Options());
        var traits = StageRuleReaderTests.Traits("""{"email":"ada@example.com"}""");

        Assert.Equal(
            (AccountRule.EmailDomain, AccountMiss.NotIdentified),
            matching.Match(null, traits, isIdentified: false).Misses[^1]);
        Assert.Equal("acme", matching.Match("acme", traits, isIdentified: false).Link?.Key);
    }

    [Fact]
    public void No_list_holds_what_is_no_domain()
    {
        Assert.All(DomainLists.FreeMail, domain => Assert.Equal(domain, RegistrableDomain.Normalize(domain)));
        Assert.Empty(DomainLists.FreeMail.Intersect(DomainLists.Disposable));
        Assert.DoesNotContain("example.com", DomainLists.Disposable);
    }

    internal static AccountMatchingOptions Options() => new()
    {
        IdPaths = [],
        NamePaths = [],
        EmailPath = "email",
        ByEmailDomain = true,
        NoAccountDomains = [],
        AccountDomains = [],
    };

    private static AccountMatch Match(AccountMatchingOptions options, string traits, string? group = null) =>
        new AccountMatching(options).Match(group, StageRuleReaderTests.Traits(traits), isIdentified: true);
}
