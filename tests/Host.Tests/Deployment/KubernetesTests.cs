using k8s;
using k8s.Models;
using VarianceActors.Host.Commands;
using VarianceActors.Host.Configuration;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace VarianceActors.Host.Tests.Deployment;

/// <summary>The manifests are read as the types of Kubernetes' own schema, strictly, and held to each other and to the host.</summary>
public sealed class KubernetesTests
{
    private const string Secrets = "secrets.example.yaml";
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "deploy", "kubernetes");
    private readonly List<object> _manifests = [.. Files().SelectMany(Load)];

    [Fact]
    public void All_manifests_but_the_secrets_are_applied() => Assert.Equal(
        [.. Files().Except([Secrets]).Order(StringComparer.Ordinal)],
        Listed().Order(StringComparer.Ordinal));

    [Fact]
    public void A_member_that_the_schema_does_not_have_is_found() => Assert.ThrowsAny<Exception>(() => LoadText(
        DeployedNode.Read("kubernetes", "statefulset.yaml").Replace("periodSeconds", "periodSecond", StringComparison.Ordinal)));

    [Fact]
    public async Task The_host_takes_the_configuration_once_the_secrets_are_filled_in()
    {
        var node = Node();
        node.AssertThatAllPathsAreMounted();

        var (refused, faults) = await node.CheckAsync();
        Assert.Equal(ExitCodes.BadConfiguration, refused);
        Assert.Contains("admin-key: has characters that do not fit", faults, StringComparison.Ordinal);
        var (exitCode, said) = await node.Filled().CheckAsync();
        Assert.StartsWith("the configuration is good", said, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Done, exitCode);
    }

    [Fact]
    public async Task An_unknown_key_is_found()
    {
        var node = Node().Filled();
        var files = node.Files.ToDictionary();
        files["/etc/variance/variance.conf"] += "\nvariance.cluster.stop-afterwards = 1\n";

        var (exitCode, said) = await (node with { Files = files }).CheckAsync();

        Assert.Equal(ExitCodes.BadConfiguration, exitCode);
        Assert.Contains("variance.cluster.stop-afterwards: unknown key", said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_that_is_told_to_stop_has_the_time_to_do_so()
    {
        var stopAfter = HoconSource.FromText(One<V1ConfigMap>().Data["variance.conf"], "configmap.yaml")
            .ValueOf("variance:cluster:stop-after")!;

        Assert.True(
            TimeSpan.FromSeconds(Pod().TerminationGracePeriodSeconds!.Value)
            > TimeSpan.Parse(stopAfter, null) + TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void Everything_finds_the_pods_and_the_ports_by_name()
    {
        var set = One<V1StatefulSet>();
        var labels = set.Spec.Template.Metadata.Labels;
        var ports = Container().Ports.Select(port => port.Name).ToHashSet();
        IEnumerable<IDictionary<string, string>> selectors =
        [
            set.Spec.Selector.MatchLabels,
            One<V1PodDisruptionBudget>().Spec.Selector.MatchLabels,
            One<V1NetworkPolicy>().Spec.PodSelector.MatchLabels,
            .. _manifests.OfType<V1Service>().Select(service => service.Spec.Selector),
            .. Pod().TopologySpreadConstraints.Select(spread => spread.LabelSelector.MatchLabels),
        ];
        IEnumerable<string> named =
        [
            .. _manifests.OfType<V1Service>().SelectMany(service => service.Spec.Ports).Select(port => port.TargetPort.Value),
            .. One<V1NetworkPolicy>().Spec.Ingress.SelectMany(rule => rule.Ports).Select(port => port.Port.Value),
            Container().ReadinessProbe.HttpGet.Port.Value,
            Container().LivenessProbe.HttpGet.Port.Value,
            Container().StartupProbe.HttpGet.Port.Value,
        ];

        Assert.All(selectors, selector => Assert.Equal(labels, selector));
        Assert.All(named, name => Assert.Contains(name, ports));
        Assert.Contains(_manifests.OfType<V1Service>(), service =>
            service.Metadata.Name == set.Spec.ServiceName && service.Spec.ClusterIP == "None"
            && service.Spec.PublishNotReadyAddresses == true);
        Assert.Equal(One<V1ServiceAccount>().Metadata.Name, Pod().ServiceAccountName);
        Assert.All(
            _manifests.OfType<IKubernetesObject<V1ObjectMeta>>().Where(manifest => manifest is not V1Namespace),
            manifest => Assert.Equal(One<V1Namespace>().Metadata.Name, manifest.Metadata.NamespaceProperty));
    }

    [Fact]
    public void Nothing_more_is_allowed_to_a_pod_than_it_needs()
    {
        var container = Container().SecurityContext;

        Assert.True(container.ReadOnlyRootFilesystem);
        Assert.False(container.AllowPrivilegeEscalation);
        Assert.Equal(["ALL"], container.Capabilities.Drop);
        Assert.True(Pod().SecurityContext.RunAsNonRoot);
        Assert.False(Pod().AutomountServiceAccountToken);
        Assert.False(One<V1ServiceAccount>().AutomountServiceAccountToken);
        Assert.Contains("memory", Container().Resources.Limits);
    }

    private static IEnumerable<string> Files() => Directory.GetFiles(Folder, "*.yaml")
        .Select(path => Path.GetFileName(path))
        .Where(name => name != "kustomization.yaml");

    private static IEnumerable<string> Listed()
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(DeployedNode.Read("kubernetes", "kustomization.yaml")));
        return ((YamlSequenceNode)yaml.Documents[0].RootNode["resources"]).Select(name => ((YamlScalarNode)name).Value!);
    }

    private static List<object> Load(string name) => LoadText(DeployedNode.Read("kubernetes", name));

    private static List<object> LoadText(string text) => KubernetesYaml.LoadAllFromString(text, null, strict: true);

    private T One<T>() => _manifests.OfType<T>().Single();

    private V1PodSpec Pod() => One<V1StatefulSet>().Spec.Template.Spec;

    private V1Container Container() => Pod().Containers.Single();

    private DeployedNode Node()
    {
        var files = Container().VolumeMounts.SelectMany(mount => FilesOf(Pod().Volumes.Single(volume => volume.Name == mount.Name))
            .Select(file => ($"{mount.MountPath}/{file.Key}", file.Value)));
        var known = new Dictionary<string, string> { ["POD_NAME"] = "variance-0", ["POD_NAMESPACE"] = "variance" };
        var variables = Container().Env.Where(variable => variable.Value is not null).ToDictionary(
            variable => variable.Name,
            variable => known.Aggregate(
                variable.Value, (text, one) => text.Replace($"$({one.Key})", one.Value, StringComparison.Ordinal)));
        return new DeployedNode([.. Container().Args], variables, files.ToDictionary(file => file.Item1, file => file.Value));
    }

    private IEnumerable<KeyValuePair<string, string>> FilesOf(V1Volume volume) => volume switch
    {
        { ConfigMap: { } map } => _manifests.OfType<V1ConfigMap>().Single(one => one.Metadata.Name == map.Name).Data,
        { Secret: { } secret } =>
            _manifests.OfType<V1Secret>().Single(one => one.Metadata.Name == secret.SecretName).StringData,
        _ => [],
    };
}
