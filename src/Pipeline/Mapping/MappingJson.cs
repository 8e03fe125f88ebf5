using System.Text.Json.Serialization;

namespace VarianceActors.Pipeline.Mapping;

[JsonSerializable(typeof(string))]
internal sealed partial class MappingJson : JsonSerializerContext;
