using System.Globalization;
using VarianceActors.Pipeline.People;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Pipeline.Tests.People.Simulation;

/// <summary>Set PEOPLE_SEED to play one seed again, PEOPLE_SEEDS to play more than the ordinary number.</summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    private const int SeedsInTheOrdinaryRun = 20_000;
    private const int SeedsForAMutant = 4_000;

    public static TheoryData<string> Mutants() =>
        [.. Enum.GetNames<ProtocolFaults>().Where(name => name != nameof(ProtocolFaults.None)), "NoJournalFence"];

    [Fact]
    public void Whatever_is_lost_repeated_reordered_or_crashes_persons_end_where_the_oracle_says()
    {
        var seeds = Number("PEOPLE_SEED") is { } one
            ? [one]
            : Enumerable.Range(0, Number("PEOPLE_SEEDS") ?? SeedsInTheOrdinaryRun);
        var total = new Tally();
        var gate = new Lock();

        Parallel.ForEach(seeds, seed =>
        {
            var tally = PlayOrTell(seed);
            lock (gate)
            {
                total += tally;
            }
        });

        output.WriteLine(
            $"{total.Facts} facts, {total.Absorbed} absorbed, {total.Refused} refused; {total.Crashes} crashes, "
            + $"{total.CrashesBeforeSend} before sending, {total.Lost} lost, {total.Repeats} repeated, "
            + $"{total.Fenced} fenced");
        Assert.All(
            [total.Absorbed, total.Crashes, total.CrashesBeforeSend, total.Lost, total.Repeats],
            times => Assert.NotEqual(0, times));
    }

    [Theory]
    [MemberData(nameof(Mutants))]
    public void Every_step_of_the_protocol_is_needed(string mutant)
    {
        var faults = Enum.TryParse<ProtocolFaults>(mutant, out var named) ? named : ProtocolFaults.None;
        var isFenced = faults is not ProtocolFaults.None;

        var caught = Enumerable.Range(0, SeedsForAMutant)
            .Select(seed => (int?)seed)
            .FirstOrDefault(seed => Violates(seed!.Value, faults, isFenced));

        Assert.True(caught is not null, $"{mutant} went unnoticed in {SeedsForAMutant} runs");
        output.WriteLine($"{mutant} is caught by seed {caught}");
    }

    private static Tally PlayOrTell(int seed)
    {
        try
        {
            return Run.Play(seed);
        }
        catch (ViolationException violation)
        {
            throw new ViolationException($"PEOPLE_SEED={seed}: {violation.Message}");
        }
    }

    private static bool Violates(int seed, ProtocolFaults faults, bool isFenced)
    {
        try
        {
            Run.Play(seed, faults, isFenced);
            return false;
        }
        catch (Exception broken) when (broken is ViolationException or KeyNotFoundException or NullReferenceException)
        {
            return true;
        }
    }

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
}
