using System.Collections.Immutable;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Tests.Mapping;

internal static class MappingPersons
{
    public static PersonSnapshot Of(
        ImmutableArray<string> ids, string? userId, params (string Name, string Json)[] traits) =>
        new(
            Guid.Empty,
            ids,
            userId,
            userId is not null,
            MappingEvents.Noon,
            traits.ToImmutableDictionary(trait => trait.Name, trait => new JsonValue(trait.Json)),
            1);
}
