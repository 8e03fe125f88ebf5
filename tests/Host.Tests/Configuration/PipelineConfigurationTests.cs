using VarianceActors.Host.Configuration;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using Xunit;

namespace VarianceActors.Host.Tests.Configuration;

public sealed class PipelineConfigurationTests
{
    private const string Acme = """
        variance {
          admin-key = "admin-key-for-tests-0123456789"
          connections {
            acme {
              tokens = ["phc_acme"]
              webhook-secret = "hook-secret-0123456789"
              url = "http://127.0.0.1:9900/hook"
              authorization = "Basic dGVzdDp0ZXN0"
              mapping = "plugin"              # or "contacts", the default
              allow-private-network = on      # off by default: private and loopback receivers are refused
              rate { per-second = 500, burst = 500 }
            }
          }
        }
        """;

    [Fact]
    public void A_file_is_laid_over_the_defaults()
    {
        var options = Good(File(Acme));

        Assert.Equal("admin-key-for-tests-0123456789", options.AdminKey);
        Assert.Equal("data", options.DataDir);
        Assert.Equal(32, options.Inbox.Partitions);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Inbox.CommitTimeout);
        Assert.Equal(TimeSpan.FromDays(30), options.Retention.Ledger);
        var (id, acme) = Assert.Single(options.Connections);
        Assert.Equal("acme", id);
        Assert.Equal(["phc_acme"], acme.Tokens);
        Assert.Equal("hook-secret-0123456789", acme.WebhookSecret);
        Assert.Equal("http://127.0.0.1:9900/hook", acme.Url);
        Assert.Equal("Basic dGVzdDp0ZXN0", acme.Authorization);
        Assert.Equal(MappingKind.Plugin, acme.Mapping);
        Assert.True(acme.AllowPrivateNetwork);
        Assert.Equal((500, 500), (acme.Rate.PerSecond, acme.Rate.Burst));
        Assert.Empty(acme.Filters.EventsDenied);
        Assert.Equal((AttachUnseen.Posthog, 20_000), (acme.Identity.AttachUnseen, acme.Identity.DistinctIdsMax));
        Assert.False(acme.Identity.KeepWorkDomainsApart);
        Assert.Empty(acme.Identity.BlockedIds);
    }

    [Fact]
    public void Each_connection_has_its_own_rules_of_identity()
    {
        var options = Good(File("""
            variance {
              connection-defaults.identity { distinct-ids-max = 7, keep-work-domains-apart = on }
              connections {
                one { tokens = [a], identity { attach-unseen = guarded, blocked-ids = [kiosk, "a b"] } }
                two { tokens = [b], identity.distinct-ids-max = 0 }
              }
            }
            """));

        var one = options.Connections["one"].Identity.ToRules(updateAllProperties: true);
        var two = options.Connections["two"].Identity.ToRules(updateAllProperties: false);
        Assert.Equal((true, AttachUnseen.Guarded), (one.UpdateAllProperties, one.AttachUnseen));
        Assert.Equal((false, AttachUnseen.Posthog), (two.UpdateAllProperties, two.AttachUnseen));
        Assert.Equal((7, 0), (one.Guards.DistinctIdsMax, two.Guards.DistinctIdsMax));
        Assert.Equal((true, true), (one.Guards.KeepWorkDomainsApart, two.Guards.KeepWorkDomainsApart));
        Assert.Equal(["a b", "kiosk"], one.Guards.BlockedIds.Order());
    }

    [Fact]
    public void A_later_layer_wins_key_by_key()
    {
        var options = Good(
            File("variance { data-dir = one, inbox { partitions = 1, queue-events-max = 20000 } }"),
            File("variance.ingest.window-events = 1"),
            File("variance { data-dir = two, inbox.partitions = 2, ingest.window-events = 2 }"),
            Variables(("VARIANCE__DATA_DIR", "three"), ("VARIANCE__INBOX__PARTITIONS", "3")),
            CommandLineSource.From(["variance.data-dir=four"], "five"));

        Assert.Equal("five", options.DataDir);
        Assert.Equal(3, options.Inbox.Partitions);
        Assert.Equal(2, options.Ingest.WindowEvents);
        Assert.Equal(20_000, options.Inbox.QueueEventsMax);
        Assert.Equal(5_000, options.Inbox.CommitEventsMax);
    }

    [Fact]
    public void A_later_list_replaces_an_earlier_one()
    {
        var options = Good(
            File("variance.connections { acme { tokens = [a, b, c] }, beta { tokens = [d] } }"),
            File("variance.connections { acme.tokens = [e], beta { tokens = [], webhook-secret = 0123456789abcdef } }"));

        Assert.Equal(["e"], options.Connections["acme"].Tokens);
        Assert.Empty(options.Connections["beta"].Tokens);
    }

    [Fact]
    public void Connections_are_laid_over_the_connection_defaults()
    {
        var options = Good(File("""
            variance {
              connection-defaults { mapping = plugin, rate.burst = 7, filters.events-denied = ["$opt_in", b] }
              connections {
                one { tokens = [a] }
                two { tokens = [b], rate.per-second = 9, filters.events-denied = [] }
              }
            }
            """));

        var (one, two) = (options.Connections["one"], options.Connections["two"]);
        Assert.Equal((MappingKind.Plugin, 100, 7), (one.Mapping, one.Rate.PerSecond, one.Rate.Burst));
        Assert.Equal((MappingKind.Plugin, 9, 7), (two.Mapping, two.Rate.PerSecond, two.Rate.Burst));
        Assert.Equal(["$opt_in", "b"], one.Filters.EventsDenied);
        Assert.Empty(two.Filters.EventsDenied);
    }

    [Fact]
    public void A_connection_without_url_is_a_dry_run() =>
        Assert.Equal("", Good(File("variance.connections.acme.tokens = [phc_acme]")).Connections["acme"].Url);

    [Theory]
    [InlineData("VARIANCE__CONNECTIONS__ACME_EU__ALLOW_PRIVATE_NETWORK")]
    [InlineData("variance__connections__acme-eu__allow-private-network")]
    [InlineData("Variance__Connections__Acme_Eu__Allow_Private_Network")]
    public void Variables_are_read_in_any_case_with_either_hyphen(string name)
    {
        var options = Good(
            Variables(("VARIANCE__CONNECTIONS__ACME_EU__TOKENS", "phc_a, phc_b"), (name, "yes"), ("VARIANCE_X", "x")));

        Assert.True(options.Connections["acme-eu"].AllowPrivateNetwork);
        Assert.Equal(["phc_a", "phc_b"], options.Connections["acme-eu"].Tokens);
    }

    [Fact]
    public void Elements_of_a_list_can_be_variables_of_their_own()
    {
        var options = Good(
            File("variance.connections.acme.tokens = [old-a, old-b, old-c]"),
            Variables(
                ("VARIANCE__CONNECTIONS__ACME__TOKENS__0", "a,b"),
                ("VARIANCE__CONNECTIONS__ACME__TOKENS__1", "c")));

        Assert.Equal(["a,b", "c"], options.Connections["acme"].Tokens);
    }

    [Theory]
    [InlineData("on", true)]
    [InlineData("yes", true)]
    [InlineData("true", true)]
    [InlineData("TRUE", true)]
    [InlineData("off", false)]
    [InlineData("no", false)]
    [InlineData("false", false)]
    public void Switches_have_many_words(string word, bool value) =>
        Assert.Equal(value, Good(Set($"variance.people.update-all-properties={word}")).People.UpdateAllProperties);

    [Fact]
    public void A_value_on_the_command_line_may_hold_equals_signs_and_colons()
    {
        var options = Good(
            Set("variance.connections.acme.tokens=phc_a", "variance.connections.acme.url=https://host/?a=b:c"));

        Assert.Equal("https://host/?a=b:c", options.Connections["acme"].Url);
    }

    [Theory]
    [InlineData(
        "inbox.partitions = 0",
        "variance.inbox.partitions: 0 is out of range; give a whole number from 1 to 1024 (x.conf:1)")]
    [InlineData(
        "inbox.partitions = 99999999999",
        "variance.inbox.partitions: 99999999999 is out of range; give a whole number from 1 to 1024 (x.conf:1)")]
    [InlineData(
        "inbox.partitions = many",
        "variance.inbox.partitions: 'many' is not a whole number; give a whole number from 1 to 1024 (x.conf:1)")]
    [InlineData(
        "inbox.partitions = 1.5",
        "variance.inbox.partitions: '1.5' is not a whole number; give a whole number from 1 to 1024 (x.conf:1)")]
    [InlineData(
        "inbox.partitions = \"\"",
        "variance.inbox.partitions: '' is not a whole number; give a whole number from 1 to 1024 (x.conf:1)")]
    [InlineData(
        "inbox.partitions = [1]",
        "variance.inbox.partitions: takes a whole number from 1 to 1024, not a block or a list (x.conf:1)")]
    [InlineData(
        "ingest.window-bytes-max = 4MiB",
        "variance.ingest.window-bytes-max: '4MiB' is not a whole number; "
        + "give a whole number of bytes from 1024 to 1073741824 (x.conf:1)")]
    [InlineData(
        "delivery.attempt-timeout = 10s",
        "variance.delivery.attempt-timeout: '10s' is not a duration; "
        + "give \"hh:mm:ss\" or \"d.hh:mm:ss\" from 00:00:00.100 to 00:10:00 (x.conf:1)")]
    [InlineData(
        "delivery.attempt-timeout = 10",
        "variance.delivery.attempt-timeout: '10' is not a duration; "
        + "give \"hh:mm:ss\" or \"d.hh:mm:ss\" from 00:00:00.100 to 00:10:00 (x.conf:1)")]
    [InlineData(
        "delivery.attempt-timeout = \"01:00:00\"",
        "variance.delivery.attempt-timeout: 01:00:00 is out of range; "
        + "give \"hh:mm:ss\" or \"d.hh:mm:ss\" from 00:00:00.100 to 00:10:00 (x.conf:1)")]
    [InlineData(
        "people.update-all-properties = maybe",
        "variance.people.update-all-properties: 'maybe' is not on or off; give on or off (x.conf:1)")]
    [InlineData("delivery = 5", "variance.delivery: takes a block { }, not a value (x.conf:1)")]
    [InlineData("connections = acme", "variance.connections: takes a block { }, not a value (x.conf:1)")]
    [InlineData("data-dir = \"\"", "variance.data-dir: is empty; give a directory (x.conf:1)")]
    [InlineData(
        "postgres.connection-string = \"Host=db;Database=variance\"",
        "variance.postgres.connection-string: is no connection string with Host, Database and Username (x.conf:1)")]
    [InlineData(
        "postgres.connection-string = \"Host=db;Password=secret;Colour=red\"",
        "variance.postgres.connection-string: is no connection string with Host, Database and Username (x.conf:1)")]
    [InlineData("postgres.password-file = nowhere", "variance.postgres.password-file: is not there (x.conf:1)")]
    [InlineData("store = oracle", "variance.store: 'oracle' is not known here; give sqlite or postgres (x.conf:1)")]
    [InlineData("data-dri = x", "variance.data-dri: unknown key; did you mean variance.data-dir? (x.conf:1)")]
    [InlineData("data_dir = x", "variance.data_dir: unknown key; did you mean variance.data-dir? (x.conf:1)")]
    [InlineData(
        "commit-timeout = \"00:00:01\"",
        "variance.commit-timeout: unknown key; did you mean variance.inbox.commit-timeout? (x.conf:1)")]
    [InlineData(
        "outbox.colour = red",
        "variance.outbox.colour: unknown key; known here: delivery-partitions (x.conf:1)")]
    [InlineData(
        "admin-key = short",
        "variance.admin-key: is shorter than 16 characters; make one with: openssl rand -hex 24 (x.conf:1)")]
    [InlineData(
        "admin-key = \"sixteen and spaces\"",
        "variance.admin-key: has characters that do not fit into a header; "
        + "give visible ASCII characters without spaces (x.conf:1)")]
    [InlineData(
        "delivery.retry.delay-first = \"00:00:20\"",
        "variance.delivery.retry.delay-first: must not be above variance.delivery.retry.delay-max, "
        + "which is 00:00:15 (x.conf:1)")]
    [InlineData(
        "retention.outbox = \"31.00:00:00\"",
        "variance.retention.outbox: must not be above variance.retention.ledger, which is 30.00:00:00 (x.conf:1)")]
    [InlineData(
        "inbox.commit-events-max = 50001",
        "variance.inbox.commit-events-max: must not be above variance.inbox.queue-events-max, "
        + "which is 50000 (x.conf:1)")]
    public void A_bad_key_is_told_with_its_place_and_what_to_do(string line, string fault) =>
        Assert.Equal([fault], Bad(File($"variance {{ {line} }}")));

    [Theory]
    [InlineData(
        "url = \"not an address\"",
        "url: is not an absolute http or https address; give one such as \"https://host/path\" (x.conf:1)")]
    [InlineData(
        "url = \"ftp://host/\"",
        "url: is not an absolute http or https address; give one such as \"https://host/path\" (x.conf:1)")]
    [InlineData(
        "url = \"/hook\"",
        "url: is not an absolute http or https address; give one such as \"https://host/path\" (x.conf:1)")]
    [InlineData(
        "url = \"https://user:canary@host/\"",
        "url: has a user name or password in it; remove them and use the key authorization (x.conf:1)")]
    [InlineData(
        "url = \"http://host/\"",
        "url: is plain http; give https, or set allow-private-network = on for a receiver of your own (x.conf:1)")]
    [InlineData(
        "authorization = \"Bearer canary\\r\\nX: y\"",
        "authorization: has characters that do not fit into a header; "
        + "give one line of visible ASCII characters (x.conf:1)")]
    [InlineData(
        "headers = [\"X-A: canary\", canary]",
        "headers: header 2 has no colon; give \"Name: value\" (x.conf:1)")]
    [InlineData(
        "headers = [\"X A: canary\"]",
        "headers: header 1 has a name that is none; give 1 to 64 letters, digits and - (x.conf:1)")]
    [InlineData(
        "headers = [\"X-A: canary\\r\\nX-B: canary\"]",
        "headers: header 1 has characters that do not fit into a header; "
        + "give one line of visible ASCII characters (x.conf:1)")]
    [InlineData(
        "headers = [\"X-A: canary\\u0000\"]",
        "headers: header 1 has characters that do not fit into a header; "
        + "give one line of visible ASCII characters (x.conf:1)")]
    [InlineData(
        "headers = [\"X-A: \"]",
        "headers: header 1 has no value or a long one; give 1 to 4096 characters (x.conf:1)")]
    [InlineData(
        "headers = [\"authorization: canary\"]",
        "headers: header 1 is Authorization; use the key authorization (x.conf:1)")]
    [InlineData(
        "headers = [\"host: canary\"]",
        "headers: header 1 is one that is made for every post; leave it out (x.conf:1)")]
    [InlineData(
        "headers = [\"Content-Length: 5\"]",
        "headers: header 1 is one that is made for every post; leave it out (x.conf:1)")]
    [InlineData(
        "headers = [\"X-A: canary\", \"x-a: canary\"]",
        "headers: header 2 has the name of an earlier one; give each name once (x.conf:1)")]
    [InlineData(
        "signature.secret = canary",
        "signature.secret: is shorter than 16 characters; make one with: openssl rand -hex 24 (x.conf:1)")]
    [InlineData(
        "signature { form = standard, secret = \"whsec_canary-canary!\" }",
        "signature.secret: begins with whsec_ and goes on with what is no base64; "
        + "give it as the receiver gave it (x.conf:1)")]
    [InlineData(
        "signature { secret = canary-0123456789, secret-other = canary-9876543210 }",
        "signature.secret-other: is a second secret; it takes a first one, and form = standard (x.conf:1)")]
    [InlineData(
        "signature.form = rot13",
        "signature.form: 'rot13' is not known here; give segment or standard (x.conf:1)")]
    [InlineData("mapping = segment", "mapping: 'segment' is not known here; give contacts or plugin (x.conf:1)")]
    [InlineData(
        "rate.per-second = -1",
        "rate.per-second: -1 is out of range; give a whole number from 0 to 1000000 (x.conf:1)")]
    [InlineData(
        "rate { per-second = 0, adaptive = on }",
        "rate.adaptive: is on but per-second is 0, no limit; give the highest rate that is worth trying (x.conf:1)")]
    [InlineData(
        "rate { per-second = 9, adaptive = on, per-second-min = 10 }",
        "rate.per-second-min: must not be above per-second, which is 9 (x.conf:1)")]
    [InlineData(
        "webhook-secret = canary",
        "webhook-secret: is shorter than 16 characters; make one with: openssl rand -hex 24 (x.conf:1)")]
    [InlineData(
        "tokens = [a, phx_canary]",
        "tokens: token 2 is a personal API key; revoke it at PostHog and give the project token (phc_...) (x.conf:1)")]
    [InlineData(
        "tokens = [\"\"]",
        "tokens: token 1 is no project token; give 1 to 64 ASCII characters (phc_...) (x.conf:1)")]
    [InlineData(
        "tokens = [\"phc_canäry\"]",
        "tokens: token 1 is no project token; give 1 to 64 ASCII characters (phc_...) (x.conf:1)")]
    [InlineData(
        "tokens = [canary, canary]",
        "tokens: token 2 is already a token of connection acme; a token feeds one connection (x.conf:1)")]
    [InlineData(
        "identity.attach-unseen = never",
        "identity.attach-unseen: 'never' is not known here; give posthog or guarded (x.conf:1)")]
    [InlineData(
        "identity.distinct-ids-max = -1",
        "identity.distinct-ids-max: -1 is out of range; give a whole number from 0 to 1000000 (x.conf:1)")]
    [InlineData(
        "identity.blocked-ids { a = b }",
        "identity.blocked-ids: takes a list of texts such as [\"a\", \"b\"] (x.conf:1)")]
    [InlineData(
        "stages.contacts = [\"lead: always\", \"trial: plan\"]",
        "stages.contacts: stage 2: character 12: after a trait there must be one of "
        + "=, !=, >, >=, <, <=, in, not in, contains, exists (x.conf:1)")]
    [InlineData(
        "stages.accounts = [\"lead: event 'x'\"]",
        "stages.accounts: stage 1: character 7: events are counted for contacts; "
        + "write it inside: any contact (event ...) (x.conf:1)")]
    [InlineData(
        "stages.contact-policy = back",
        "stages.contact-policy: 'back' is not known here; give forward-only or free (x.conf:1)")]
    [InlineData(
        "accounts.no-account-domains = [localhost]",
        "accounts.no-account-domains: 'localhost' is no domain; give one such as example.com (x.conf:1)")]
    [InlineData(
        "accounts.id-paths = [\"company..id\"]",
        "accounts.id-paths: 'company..id' is no path of a trait; "
        + "give names with dots between them, such as company.id (x.conf:1)")]
    [InlineData("tokens { a = b }", "tokens: takes a list of texts such as [\"a\", \"b\"] (x.conf:1)")]
    [InlineData("rat.burst = 5", "rat: unknown key; did you mean variance.connections.acme.rate? (x.conf:1)")]
    [InlineData(
        "per-second = 5",
        "per-second: unknown key; did you mean variance.connections.acme.rate.per-second? (x.conf:1)")]
    [InlineData("group-type { a = b }", "group-type: takes text, not a block or a list (x.conf:1)")]
    public void A_bad_connection_is_told_without_its_secrets(string line, string fault)
    {
        // A webhook secret of its own keeps the connection reachable whatever the line says of tokens.
        var text = $"variance {{ connections {{ acme {{ webhook-secret = 0123456789abcdef, {line} }} }} }}";

        Assert.Equal([$"variance.connections.acme.{fault}"], Bad(File(text)));
    }

    [Fact]
    public void A_header_that_is_too_long_is_refused() => Assert.Equal(
        ["variance.connections.acme.authorization: is longer than 4096 characters; "
            + "give a shorter one (--set variance.connections.acme.authorization)"],
        Bad(Set(
            "variance.connections.acme.tokens=a",
            $"variance.connections.acme.authorization={new string('a', 4_097)}")));

    [Fact]
    public void A_token_or_secret_of_two_connections_is_refused() => Assert.Equal(
        [
            "variance.connections.two.webhook-secret: is also the secret of connection one; "
                + "give each connection its own (x.conf:3)",
            "variance.connections.two.tokens: token 2 is already a token of connection one; "
                + "a token feeds one connection (x.conf:4)",
        ],
        Bad(File("""
            variance.connections {
              one { tokens = [canary], webhook-secret = canary-0123456789 }
              two { webhook-secret = canary-0123456789
                tokens = [other, canary] }
            }
            """)));

    [Fact]
    public void A_connection_that_nothing_can_reach_is_refused() => Assert.Equal(
        [
            "variance.connections.acme: no event can reach this connection; give it tokens, a webhook-secret, "
                + "or both (x.conf:1)",
            "variance.connections.Beta: is not a connection id; give at most 64 characters of a-z, "
                + "0-9 and - (x.conf:1)",
        ],
        Bad(File("variance.connections { acme {}, Beta { tokens = [b] } }")));

    [Fact]
    public void A_fault_in_the_connection_defaults_is_told_once() => Assert.Equal(
        ["variance.connection-defaults.rate.burst: 0 is out of range; "
            + "give a whole number from 1 to 1000000 (x.conf:1)"],
        Bad(
            File("variance.connection-defaults.rate.burst = 0"),
            File("variance.connections { a { tokens = [a] }, b { tokens = [b] } }")));

    [Fact]
    public void Blocks_outside_variance_are_refused() => Assert.Equal(
        ["connections: unknown key; everything belongs inside variance { } (x.conf:1)"],
        Bad(File("connections { acme { tokens = [a] } }")));

    [Fact]
    public void A_bad_variable_is_told_by_its_name() => Assert.Equal(
        ["variance.inbox.partitions: 'x' is not a whole number; "
            + "give a whole number from 1 to 1024 (environment variable VARIANCE__Inbox__PARTITIONS)"],
        Bad(Variables(("VARIANCE__Inbox__PARTITIONS", "x"))));

    [Fact]
    public void A_bad_assignment_is_told_by_its_number() => Assert.Equal(
        ["--set: give variance.KEY=VALUE (--set number 2)", "--set: give variance.KEY=VALUE (--set number 3)"],
        Bad(Set("variance.data-dir=x", "data-dir=canary", "canary")));

    [Fact]
    public void Ten_faults_are_told_at_once() => Assert.Equal(
        [
            "web: unknown key; everything belongs inside variance { } (x.conf:14)",
            "variance.inbox.partitions: 2000 is out of range; give a whole number from 1 to 1024 (x.conf:5)",
            "variance.inbox.commit-timeout: '2ms' is not a duration; "
                + "give \"hh:mm:ss\" or \"d.hh:mm:ss\" from 00:00:00.100 to 00:10:00 (x.conf:6)",
            "variance.connections.acme.mapping: 'plug-in' is not known here; give contacts or plugin (x.conf:11)",
            "variance.connections.acme.rate.per-second: '1k' is not a whole number; "
                + "give a whole number from 0 to 1000000 (x.conf:12)",
            "variance.connections.acme.rate.burst: 0 is out of range; "
                + "give a whole number from 1 to 1000000 (x.conf:12)",
            "variance.datadir: unknown key; did you mean variance.data-dir? (x.conf:3)",
            "variance.admin-key: is shorter than 16 characters; make one with: openssl rand -hex 24 (x.conf:2)",
            "variance.connections.acme.url: is plain http; give https, "
                + "or set allow-private-network = on for a receiver of your own (x.conf:10)",
            "variance.connections.acme.tokens: token 1 is a personal API key; "
                + "revoke it at PostHog and give the project token (phc_...) (x.conf:9)",
        ],
        Bad(File("""
            variance {
              admin-key = canary
              datadir = "data"
              inbox {
                partitions = 2000
                commit-timeout = 2ms
              }
              connections.acme {
                tokens = [phx_canary]
                url = "http://host/canary"
                mapping = plug-in
                rate { per-second = 1k, burst = 0 }
              } }
            web { port = 80 }
            """)));

    private static ConfigurationLayer File(string text) => HoconSource.FromText(text, "x.conf");

    private static ConfigurationLayer Set(params string[] assignments) => CommandLineSource.From(assignments, null);

    private static ConfigurationLayer Variables(params (string Name, string Value)[] variables) =>
        EnvironmentSource.From(variables.ToDictionary(variable => variable.Name, variable => variable.Value));

    private static PipelineOptions Good(params ConfigurationLayer[] layers)
    {
        var reading = PipelineConfiguration.Read([HoconSource.BuiltIn(), .. layers]);
        Assert.Empty(reading.Faults);
        return reading.Options!;
    }

    /// <summary>The faults; every secret in these tests has the word canary in it, and no fault may show one.</summary>
    private static string[] Bad(params ConfigurationLayer[] layers)
    {
        var reading = PipelineConfiguration.Read([HoconSource.BuiltIn(), .. layers]);
        Assert.Null(reading.Options);
        Assert.DoesNotContain(reading.Faults, fault => fault.ToString().Contains("canary", StringComparison.Ordinal));
        return [.. reading.Faults.Select(fault => fault.ToString())];
    }
}
