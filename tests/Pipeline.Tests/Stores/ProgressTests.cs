using FsCheck;
using FsCheck.Fluent;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Stores;

public sealed class ProgressTests
{
    [Fact]
    public void Numbers_done_in_any_order_are_done_and_no_others() => Prop.ForAll(
        Gen.Choose(0, 60).ListOf().ToArbitrary(),
        numbers =>
        {
            var progress = Progress.Start();
            foreach (var number in numbers)
            {
                progress.Add(number);
            }

            return Enumerable.Range(0, 70).All(number => progress.IsDone(number) == numbers.Contains(number));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_last_open_number_below_another_one_is_not_done_and_all_between_are() => Prop.ForAll(
        Gen.Choose(0, 60).ListOf().ToArbitrary(),
        numbers =>
        {
            var progress = Progress.Start().With(numbers.Select(number => (long)number));
            return Enumerable.Range(0, 70).All(end =>
            {
                var open = Enumerable.Range(0, end).Select(number => (long?)number).LastOrDefault(one => !progress.IsDone(one!.Value));
                return progress.LastOpen(end) == open;
            });
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void What_is_encoded_is_read_back() => Prop.ForAll(
        Gen.Choose(0, 100_000).ListOf().ToArbitrary(),
        numbers =>
        {
            var progress = Progress.Start();
            foreach (var number in numbers)
            {
                progress.Add(number);
            }

            var read = Progress.Decode(progress.Encode());
            return read.Next == progress.Next && numbers.All(number => read.IsDone(number))
                && read.Encode().SequenceEqual(progress.Encode());
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_long_run_behind_a_gap_takes_a_few_bytes()
    {
        var progress = Progress.Start().With(Enumerable.Range(1, 100_000).Select(number => (long)number));

        Assert.Equal(1, progress.Gaps);
        Assert.InRange(progress.Encode().Length, 1, 8);
        Assert.Equal(100_001, progress.With([0]).Next);
    }

    [Fact]
    public void Distances_as_they_were_written_first_are_read()
    {
        var progress = Progress.Decode([5, 2, 1, 3]);

        Assert.Equal(5, progress.Next);
        Assert.Equal([7L, 8L, 11L], Enumerable.Range(5, 20).Select(number => (long)number).Where(progress.IsDone));
    }

    [Fact]
    public void The_watermark_is_the_lowest_number_that_is_not_done()
    {
        var progress = Progress.Start();
        progress.Add(1);
        progress.Add(2);
        Assert.Equal(0, progress.Next);
        progress.Add(0);
        Assert.Equal(3, progress.Next);
    }

    [Fact]
    public void A_damaged_row_is_an_error_and_not_a_guess() =>
        Assert.Throws<InvalidDataException>(() => Progress.Decode([0x80]));
}
