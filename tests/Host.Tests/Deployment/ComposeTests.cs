using System.Text.RegularExpressions;
using VarianceActors.Host.Commands;
using VarianceActors.Host.Configuration;
using Xunit;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace VarianceActors.Host.Tests.Deployment;

/// <summary>The example with Compose is held to itself and to the host.</summary>
public sealed partial class ComposeTests
{
    private readonly Dictionary<string, object> _compose = Load();

    [Fact]
    public void Whatever_a_service_refers_to_is_defined()
    {
        Assert.All(Services().Values, service =>
        {
            Assert.Equal([], Names(service, "depends_on").Except(Services().Keys));
            Assert.Equal([], Names(service, "secrets").Except(Block("secrets").Keys));
            Assert.Equal([], Names(service, "configs").Except(Block("configs").Keys));
            Assert.Equal([], Names(service, "volumes").Select(volume => volume.Split(':')[0]).Except(Block("volumes").Keys));
        });
    }

    [Fact]
    public void Every_variable_has_a_default_and_the_image_is_this_release()
    {
        var text = DeployedNode.Read("compose", "compose.yaml");
        var version = typeof(VarianceHost).Assembly.GetName().Version!.ToString(3);

        Assert.Equal(text.Count(c => c == '$'), Variable().Count(text));
        Assert.Contains($":-variance-actors:{version}}}", text, StringComparison.Ordinal);
        Assert.Contains($"newTag: {version}\n", DeployedNode.Read("kubernetes", "kustomization.yaml"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_host_takes_the_configuration_once_the_secrets_are_filled_in()
    {
        var node = Node("node-1");
        node.AssertThatAllPathsAreMounted();

        var (refused, faults) = await node.CheckAsync();
        Assert.Equal(ExitCodes.BadConfiguration, refused);
        Assert.Contains("admin-key: has characters that do not fit", faults, StringComparison.Ordinal);
        var (exitCode, said) = await node.Filled().CheckAsync();
        Assert.StartsWith("the configuration is good", said, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Done, exitCode);
    }

    [Fact]
    public void Nodes_differ_in_their_names_and_the_proxy_knows_them_all()
    {
        var nodes = Services().Keys.Where(name => name.StartsWith("node-", StringComparison.Ordinal)).ToList();
        var proxy = DeployedNode.Read("compose", "haproxy.cfg");

        Assert.Equal(3, nodes.Count);
        Assert.All(nodes, name =>
        {
            Assert.Equal(name, Node(name).Environment["VARIANCE__CLUSTER__HOSTNAME"]);
            Assert.Contains($"    server {name} {name}:8000\n", proxy, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void A_node_that_is_told_to_stop_has_the_time_to_do_so()
    {
        var stopAfter = HoconSource.FromText(DeployedNode.Read("compose", "variance.conf"), "variance.conf")
            .ValueOf("variance:cluster:stop-after")!;
        var grace = (string)Services()["node-1"]["stop_grace_period"];

        Assert.True(
            TimeSpan.FromSeconds(int.Parse(grace.TrimEnd('s'), null))
            > TimeSpan.Parse(stopAfter, null) + TimeSpan.FromSeconds(30));
    }

    private static Dictionary<string, object> Load() => new DeserializerBuilder()
        .WithDuplicateKeyChecking()
        .Build()
        .Deserialize<Dictionary<string, object>>(new MergingParser(new Parser(
            new StringReader(DeployedNode.Read("compose", "compose.yaml")))));

    private Dictionary<string, Dictionary<object, object>> Services() => Block("services").ToDictionary(
        service => service.Key, service => (Dictionary<object, object>)service.Value);

    private Dictionary<string, object> Block(string key) => ((Dictionary<object, object>)_compose[key]).ToDictionary(
        pair => (string)pair.Key, pair => pair.Value);

    /// <summary>The names in a list, of texts or of blocks with a source, or the keys of a block.</summary>
    private static List<string> Names(Dictionary<object, object> service, string key) => service.GetValueOrDefault(key) switch
    {
        null => [],
        Dictionary<object, object> block => [.. block.Keys.Cast<string>()],
        List<object> list => [.. list.Select(one => one as string ?? (string)((Dictionary<object, object>)one)["source"])],
        var other => throw new InvalidDataException($"{key} is {other}"),
    };

    private DeployedNode Node(string name)
    {
        var service = Services()[name];
        var configs = ((List<object>)service["configs"]).Cast<Dictionary<object, object>>().Select(
            config => ((string)config["target"], SourceOf("configs", (string)config["source"])));
        var secrets = Names(service, "secrets").Select(secret => ($"/run/secrets/{secret}", SourceOf("secrets", secret)));
        return new DeployedNode(
            [.. ((List<object>)service["command"]).Cast<string>()],
            ((Dictionary<object, object>)service["environment"]).ToDictionary(
                pair => (string)pair.Key, pair => (string)pair.Value),
            configs.Concat(secrets).ToDictionary(file => file.Item1, file => file.Item2));
    }

    /// <summary>The text of a file; of what is in no repository, its example.</summary>
    private string SourceOf(string kind, string name)
    {
        var path = (string)((Dictionary<object, object>)Block(kind)[name])["file"];
        return path switch
        {
            "./secrets/secrets.conf" => DeployedNode.Read("compose", "secrets.example.conf"),
            "./secrets/database-password" => "a-password",
            _ => DeployedNode.Read("compose", path),
        };
    }

    [GeneratedRegex(@"\$\{[A-Z_]+:-[^}]+\}")]
    private static partial Regex Variable();
}
