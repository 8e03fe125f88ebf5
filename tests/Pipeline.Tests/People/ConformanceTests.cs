using VarianceActors.Pipeline.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class ConformanceTests
{
    public static TheoryData<string> Ids() => [.. Scenario.All().Select(scenario => scenario.Id)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void The_rules_end_where_PostHog_ends(string id)
    {
        var scenario = Scenario.Named(id);
        var homes = new Homes();

        var warnings = scenario.Events
            .SelectMany((captured, at) => homes.Apply(captured).Warnings.Select(warning => (warning.Type, at)))
            .ToArray();

        var persons = scenario.Ids().Select(homes.Person).OfType<PersonSnapshot>();
        Assert.Equal(scenario.Lines(), scenario.Lines(persons, warnings));
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void Journals_alone_bring_every_person_back(string id)
    {
        var scenario = Scenario.Named(id);
        var homes = new Homes();
        foreach (var captured in scenario.Events)
        {
            homes.Apply(captured);
            homes.Crash();
        }

        var persons = scenario.Ids().Select(homes.Person).OfType<PersonSnapshot>();
        Assert.Equal(
            scenario.Lines().Where(line => !line.StartsWith("warning", StringComparison.Ordinal)),
            scenario.Lines(persons, []));
    }
}
