using VarianceActors.Pipeline.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class IdentityDecisionTests
{
    [Theory]
    [InlineData("guest")]
    [InlineData("blocked")]
    public void A_merge_that_an_id_forbids_is_told(string other)
    {
        var rules = PersonRules.Posthog with { Guards = MergeGuards.None with { BlockedIds = ["blocked"] } };
        var homes = new Homes(rules);
        homes.Apply(Captured.Event("seen", "acc"));
        var refused = homes.Apply(Captured.Event("$identify", "acc", $$"""{"$anon_distinct_id":"{{other}}"}"""));
        Assert.Single(refused.Warnings);
        var states = new Dictionary<PersonId, PersonState?>();
        var told = new List<string>();
        foreach (var (home, fact) in homes.History)
        {
            var before = states.GetValueOrDefault(home);
            if (IdentityDecision.Of(before, fact) is { } decision)
            {
                told.Add($"{decision.Result} {decision.Reason}");
            }

            states[home] = Person.Evolve(before, fact);
        }

        Assert.Equal(["Created first_event", $"Refused {(other == "guest" ? "illegal_id" : "blocked_id")}"], told);
    }
}
