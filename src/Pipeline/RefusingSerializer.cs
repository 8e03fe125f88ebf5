using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;

namespace VarianceActors.Pipeline;

/// <summary>
/// Stands where Akka has a serializer that builds any object from the type name in its bytes: on the wire between nodes and in the
/// journal. Nothing of ours is written by it, so whatever asks for it is a fault or an attack.
/// </summary>
public sealed class RefusingSerializer : Serializer
{
    /// <summary>As Akka makes it.</summary>
    public RefusingSerializer(ExtendedActorSystem system)
        : base(system)
    {
    }

    /// <summary>As Akka makes it where there are settings for its own; none of them matters.</summary>
    public RefusingSerializer(ExtendedActorSystem system, Config settings)
        : this(system) => _ = settings;

    /// <summary>The number of Akka's own serializer for types that have none.</summary>
    public override int Identifier => 1;

    /// <inheritdoc />
    public override bool IncludeManifest => false;

    /// <inheritdoc />
    /// <exception cref="SerializationException">Always.</exception>
    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"'{obj?.GetType()}' has no serializer of its own.");

    /// <inheritdoc />
    /// <exception cref="SerializationException">Always.</exception>
    public override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException("Only types with a serializer of their own are read.");
}
