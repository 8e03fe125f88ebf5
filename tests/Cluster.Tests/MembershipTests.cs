using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Npgsql;
using VarianceActors.Databases;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Cluster.Tests;

/// <summary>Who finds whom, who is let in, and who does what.</summary>
public sealed class MembershipTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Authorization = "Basic bWVtYmVyOnRlc3Q=";
    private readonly DirectoryInfo _files = Directory.CreateTempSubdirectory("variance-certificates-");
    private readonly ClusterNode[] _nodes = [new(1), new(2), new(3), new(4)];
    private VarianceStandIn _variance = null!;
    private string _database = "";

    public async Task InitializeAsync()
    {
        _database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        _variance = await VarianceStandIn.StartAsync(Authorization);
    }

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
            output.WriteLine(string.Join('\n', node.Output
                .Where(line => line.Length > 0)
                .TakeLast(12)
                .Select(line => $"{node.Number}: {line[..Math.Min(line.Length, 500)]}")));
        }

        await _variance.DisposeAsync();
        _files.Delete(recursive: true);
    }

    [Fact]
    public async Task Nodes_find_each_other_share_the_roles_and_let_nobody_in_without_a_certificate_of_their_own()
    {
        using var authority = Authority("CN=ours");
        using var stranger = Authority("CN=theirs");
        Configure(0, "web, ingest", "", Certificate("a", authority, authority, IPAddress.Loopback));
        Configure(1, "people, delivery", "", Certificate("b", authority, authority, IPAddress.Loopback));
        _nodes[0].Start();
        _nodes[1].Start();
        await TestCluster.UntilAsync(
            async () => await _nodes[0].LookAsync() && await _nodes[1].LookAsync(), "both are ready");

        // One of another authority, which would let anybody in, and one of ours under another name.
        var seeds = $"seed-nodes = [\"127.0.0.1:{_nodes[0].RemotingPort}\"]";
        Configure(2, "people", seeds, Certificate("c", stranger, authority, IPAddress.Loopback));
        Configure(3, "people", seeds, Certificate("d", authority, authority, IPAddress.Parse("127.0.0.9")));
        _nodes[2].Start();
        _nodes[3].Start();
        await CaptureAsync("ada");
        await TestCluster.UntilAsync(() => Task.FromResult(_variance.Received.Any(one => one.Type == "track")), "it is delivered");
        await TestCluster.UntilAsync(() => Task.FromResult(Refused("Server side") && Refused("Client side")), "both are refused");
        Assert.False(await _nodes[2].LookAsync());
        Assert.False(await _nodes[3].LookAsync());
        await TestCluster.UntilAsync(
            async () => await _nodes[0].LookAsync() && await _nodes[1].LookAsync(), "both are ready still");
        using var door = await _nodes[1].Http.PostAsJsonAsync("/batch", new { api_key = PipelineHarness.Token });
        Assert.Equal(HttpStatusCode.NotFound, door.StatusCode);
    }

    [Fact]
    public async Task Nodes_join_by_a_list_of_seeds_whose_first_one_begins_the_cluster_and_comes_back_to_it()
    {
        var seeds = $"seed-nodes = [\"127.0.0.1:{_nodes[0].RemotingPort}\", \"127.0.0.1:{_nodes[1].RemotingPort}\"]";
        Configure(0, "web, ingest", seeds, "");
        Configure(1, "people", seeds, "");
        Configure(2, "delivery", seeds, "");
        _nodes[2].Start();
        _nodes[1].Start();
        await TestCluster.UntilAsync(
            async () => await IsAloneAsync(_nodes[1]) && await IsAloneAsync(_nodes[2]), "both wait for the first of the list");
        _nodes[0].Start();
        await ServedByAllAsync("ada");

        await _nodes[0].KillAsync();
        _nodes[0].Start();
        await ServedByAllAsync("bob");

        var name = new NpgsqlConnectionStringBuilder(_database).Database!;
        var met = await (await PostgresServer.Shared).ExecuteAsync(name, "SELECT count(*) FROM pipeline.node");
        Assert.Equal(0L, met); // nobody was found in the database
    }

    private static async Task<bool> IsAloneAsync(ClusterNode node) =>
        (await node.HealthAsync()).Contains("has not joined its cluster yet", StringComparison.Ordinal);

    /// <summary>One node accepts, another one has the persons, and a third one delivers: all are members of one cluster.</summary>
    private async Task ServedByAllAsync(string id)
    {
        await TestCluster.UntilAsync(
            async () => (await Task.WhenAll(_nodes[..3].Select(node => node.LookAsync()))).All(isReady => isReady), "all are ready");
        await CaptureAsync(id);
        await TestCluster.UntilAsync(() => Task.FromResult(IsDelivered(id)), $"{id} is delivered");
    }

    private bool IsDelivered(string id) => _variance.Received.Any(
        one => one.Type == "track" && one.Body.GetRawText().Contains($"\"{id}\"", StringComparison.Ordinal));

    /// <summary>The one who calls is refused by whom it calls, and the one who is called by whom it answers.</summary>
    private bool Refused(string side) =>
        _nodes[0].Output.Any(line => line.Contains($"TLS handshake failed ({side})", StringComparison.Ordinal));

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(10));
    }

    private string Certificate(string name, X509Certificate2 signer, X509Certificate2 trusted, IPAddress address)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(address);
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var signed = request.Create(
            signer.SubjectName,
            X509SignatureGenerator.CreateForECDsa(signer.GetECDsaPrivateKey()!),
            now.AddHours(-1),
            now.AddDays(5),
            RandomNumberGenerator.GetBytes(8));
        var path = Path.Combine(_files.FullName, name);
        File.WriteAllText($"{path}.crt", signed.ExportCertificatePem());
        File.WriteAllText($"{path}.key", key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText($"{path}.ca", trusted.ExportCertificatePem());
        return $$"""tls { certificate-file = "{{path}}.crt", key-file = "{{path}}.key", authority-file = "{{path}}.ca" }""";
    }

    private void Configure(int node, string roles, string others, string tls) => _nodes[node].Configure($$"""
        variance {
          admin-key = "{{PipelineHarness.AdminKey}}"
          store = postgres
          postgres { connection-string = "{{_database}}", writers-max = 2, readers-max = 2, journal-connections-max = 6 }
          cluster {
            hostname = "127.0.0.1"
            port = {{_nodes[node].RemotingPort}}
            roles = [{{string.Join(", ", roles.Split(", ").Select(role => $"\"{role}\""))}}]
            {{others}}
            {{tls}}
          }
          connections.{{PipelineHarness.Connection}} {
            tokens = ["{{PipelineHarness.Token}}"]
            url = "{{_variance.Url}}"
            authorization = "{{Authorization}}"
            allow-private-network = on
            rate.per-second = 0
          }
        }
        """);

    private async Task CaptureAsync(string id)
    {
        object[] batch = [new { @event = "$identify", distinct_id = id }, new { @event = "clicked", distinct_id = id }];
        using var answer = await _nodes[0].Http.PostAsJsonAsync("/batch", new { api_key = PipelineHarness.Token, batch });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }
}
