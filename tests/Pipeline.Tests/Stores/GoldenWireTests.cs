using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using Akka.Configuration;
using VarianceActors.Pipeline.Ingest;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Stores;

/// <summary>
/// What an earlier build has sent or written is read by this one. For each manifest a golden file holds what is written today; what
/// was written before stands beside it as <c>manifest.before-N.json</c> and stays for ever.
/// </summary>
public sealed class GoldenWireTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("golden-tests", "akka.stdout-loglevel = OFF");

    public static TheoryData<string> Files() => [.. Golden().Keys.Order(StringComparer.Ordinal)];

    public void Dispose() => _system.Dispose();

    [Fact]
    public void Nothing_is_written_or_read_by_the_name_of_its_type()
    {
        using var system = ActorSystem.Create("refusing", ConfigurationFactory.ParseString(
            "akka.actor.provider = local\n" + PipelineHosting.ReadHocon("akka.conf")));
        var akka = system.Serialization;
        var hostile = Encoding.UTF8.GetBytes($$"""{"$type":"{{typeof(FileInfo).AssemblyQualifiedName}}","fileName":"/tmp/x"}""");

        Assert.ThrowsAny<SerializationException>(() => akka.Serialize(new Uri("http://localhost")));
        Assert.ThrowsAny<SerializationException>(() => akka.Deserialize(hostile, 1, typeof(FileInfo).AssemblyQualifiedName));
        Assert.ThrowsAny<SerializationException>(() => akka.Deserialize(hostile, 1, ""));
    }

    [Fact]
    public void Every_manifest_has_a_golden_file() =>
        Assert.Equal([], Serializers().SelectMany(serializer => serializer.AllManifests).Except(Golden().Keys));

    [Theory]
    [MemberData(nameof(Files))]
    public void What_the_file_says_is_read(string file)
    {
        var manifest = file.Split(".before-")[0];
        var serializer = Assert.Single(Serializers(), serializer => serializer.AllManifests.Contains(manifest));
        var golden = File.ReadAllText(Golden()[file]).TrimEnd();

        var read = serializer.FromBinary(Encoding.UTF8.GetBytes(golden), manifest);

        Assert.Equal(manifest, serializer.Manifest(read));
        if (file == manifest)
        {
            Assert.Equal(golden, Encoding.UTF8.GetString(serializer.ToBinary(read)));
        }
    }

    [Fact]
    public void The_documentation_lists_every_serializer_with_its_number_and_manifests()
    {
        var lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "docs", "events.md"));

        Assert.All(Serializers(), serializer =>
        {
            var start = $"| `{serializer.GetType().Name}` | {serializer.Identifier} |";
            var line = Assert.Single(lines, line => line.StartsWith(start, StringComparison.Ordinal));
            Assert.All(serializer.AllManifests, manifest => Assert.Contains($"`{manifest}`", line, StringComparison.Ordinal));
        });
    }

    [Fact]
    public void An_ingest_message_comes_back_as_it_was()
    {
        var serializer = new IngestSerializer((ExtendedActorSystem)_system);
        object[] messages = [new IngestMessage.Poke(3), new IngestMessage.GetRunning(31), new IngestRunning(31, 70_000_000_000)];

        Assert.All(messages, message =>
        {
            var manifest = serializer.Manifest(message);
            var written = Encoding.UTF8.GetString(serializer.ToBinary(message));
            Assert.Equal(File.ReadAllText(Golden()[manifest]).TrimEnd(), written);
            Assert.Equal(message, serializer.FromBinary(Encoding.UTF8.GetBytes(written), manifest));
        });
    }

    private static Dictionary<string, string> Golden() => Directory
        .GetFiles(AppContext.BaseDirectory, "*.json", SearchOption.AllDirectories)
        .Where(path => Path.GetFileName(Path.GetDirectoryName(path)) == "Golden")
        .ToDictionary(path => Path.GetFileNameWithoutExtension(path));

    private List<ManifestSerializer> Serializers() =>
    [
        .. typeof(ManifestSerializer).Assembly.GetTypes()
            .Where(type => type.IsSubclassOf(typeof(ManifestSerializer)))
            .Select(type => (ManifestSerializer)Activator.CreateInstance(type, _system)!),
    ];
}
