using System.Collections.Frozen;
using System.Runtime.Serialization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Akka.Actor;
using Akka.Serialization;

namespace VarianceActors.Pipeline;

/// <summary>How a feature's messages, facts and snapshots look between nodes and in the journal: JSON, each type under a
/// manifest. Manifests are for ever: a change of meaning is a new type with a new manifest.</summary>
public abstract class ManifestSerializer : SerializerWithStringManifest
{
    private readonly ManifestTable _table;

    private protected ManifestSerializer(ExtendedActorSystem system, ManifestTable table)
        : base(system) => _table = table;

    /// <summary>All that it writes and reads.</summary>
    internal IEnumerable<string> AllManifests => _table.ByManifest.Keys;

    /// <inheritdoc />
    public sealed override string Manifest(object o) => _table.ByType[o.GetType()];

    /// <inheritdoc />
    public sealed override byte[] ToBinary(object obj) =>
        JsonSerializer.SerializeToUtf8Bytes(obj, _table.ByManifest[Manifest(obj)]);

    /// <inheritdoc />
    /// <exception cref="SerializationException">The manifest is of no type: a newer release wrote it.</exception>
    public sealed override object FromBinary(byte[] bytes, string manifest) =>
        _table.ByManifest.TryGetValue(manifest, out var type)
            ? JsonSerializer.Deserialize(bytes, type)!
            : throw new SerializationException($"No type has the manifest '{manifest}'.");
}

/// <summary>The types of one serializer and their manifests.</summary>
internal sealed class ManifestTable(Dictionary<string, JsonTypeInfo> types)
{
    /// <summary>How each manifest is written and read.</summary>
    public FrozenDictionary<string, JsonTypeInfo> ByManifest { get; } = types.ToFrozenDictionary();

    /// <summary>The manifest of each type.</summary>
    public FrozenDictionary<Type, string> ByType { get; } = types.ToFrozenDictionary(pair => pair.Value.Type, pair => pair.Key);
}
