using System.Collections.Immutable;

namespace VarianceActors.Pipeline.Stages;

/// <summary>Into which slices of time events are counted; several may be wanted of one event.</summary>
[Flags]
public enum TallyUnits : byte
{
    /// <summary>Not counted.</summary>
    None = 0,

    /// <summary>One number for ever.</summary>
    Ever = 1,

    /// <summary>By calendar day, UTC.</summary>
    Day = 2,

    /// <summary>By hour, UTC.</summary>
    Hour = 4,
}

/// <summary>How many events fell into one slice of time.</summary>
/// <param name="Number">Days or hours since 1970; 0 for <see cref="TallyUnits.Ever"/>.</param>
/// <param name="Count">How many.</param>
public readonly record struct TallyBucket(long Number, int Count);

/// <summary>How often one event happened. Bounded: the newest bucket and those that were in a window a day before it, as a clock
/// may run ahead by a day.</summary>
/// <param name="Event">The event's name.</param>
/// <param name="Unit">One unit.</param>
/// <param name="Buckets">In ascending order, none of them empty.</param>
public sealed record EventTally(string Event, TallyUnits Unit, ImmutableArray<TallyBucket> Buckets)
{
    /// <summary>The longest window in hours.</summary>
    public const int HoursMax = 168;

    /// <summary>The longest window in days.</summary>
    public const int DaysMax = 366;

    private static readonly TallyUnits[] Units = [TallyUnits.Ever, TallyUnits.Day, TallyUnits.Hour];

    /// <summary>Tallies with one more event.</summary>
    public static ImmutableArray<EventTally> Add(
        ImmutableArray<EventTally> tallies,
        string name,
        TallyUnits units,
        DateTimeOffset at)
    {
        foreach (var unit in Units.Where(unit => units.HasFlag(unit)))
        {
            tallies = Add(tallies, new EventTally(name, unit, [new TallyBucket(NumberOf(unit, at), 1)]));
        }

        return tallies;
    }

    /// <summary>The tallies of two persons that become one.</summary>
    public static ImmutableArray<EventTally> Join(ImmutableArray<EventTally> left, ImmutableArray<EventTally> right) =>
        right.Aggregate(left, Add);

    /// <summary>How many events fell into the last <paramref name="window"/> buckets, the one of
    /// <paramref name="now"/> included; all there are if the unit is <see cref="TallyUnits.Ever"/>.</summary>
    public static long Count(
        ImmutableArray<EventTally> tallies,
        string name,
        TallyUnits unit,
        int window,
        DateTimeOffset now)
    {
        var after = unit is TallyUnits.Ever ? -1 : NumberOf(unit, now) - window;
        var count = 0L;
        foreach (var tally in tallies)
        {
            if (tally.Unit != unit || tally.Event != name)
            {
                continue;
            }

            foreach (var bucket in tally.Buckets)
            {
                count += bucket.Number > after ? bucket.Count : 0;
            }
        }

        return count;
    }

    /// <summary>When fewer than <paramref name="times"/> events will be within a window, if no further one comes; null if
    /// there never were so many of them together.</summary>
    /// <remarks>The time may have passed already.</remarks>
    public static DateTimeOffset? EndOf(
        ImmutableArray<EventTally> tallies, string name, TallyUnits unit, int window, int times)
    {
        var seconds = unit is TallyUnits.Hour ? 3_600 : 86_400;
        foreach (var tally in tallies)
        {
            if (tally.Unit != unit || tally.Event != name)
            {
                continue;
            }

            var count = 0L;
            foreach (var bucket in tally.Buckets.Reverse())
            {
                count += bucket.Count;
                if (count >= times)
                {
                    return DateTimeOffset.FromUnixTimeSeconds((bucket.Number + window) * seconds);
                }
            }
        }

        return null;
    }

    private static ImmutableArray<EventTally> Add(ImmutableArray<EventTally> tallies, EventTally more)
    {
        for (var place = 0; place < tallies.Length; place++)
        {
            if (tallies[place].Unit == more.Unit && tallies[place].Event == more.Event)
            {
                return tallies.SetItem(place, Sum(tallies[place], more));
            }
        }

        return tallies.Add(more);
    }

    private static EventTally Sum(EventTally tally, EventTally more)
    {
        var buckets = new SortedDictionary<long, int>();
        foreach (var (number, count) in tally.Buckets.Concat(more.Buckets))
        {
            buckets[number] = (int)Math.Min(int.MaxValue, (long)buckets.GetValueOrDefault(number) + count);
        }

        var kept = tally.Unit is TallyUnits.Hour ? HoursMax + 24 : DaysMax + 1;
        var oldest = buckets.Keys.Last() - kept;
        return tally with
        {
            Buckets =
            [
                .. buckets.Where(bucket => bucket.Key > oldest)
                    .Select(bucket => new TallyBucket(bucket.Key, bucket.Value)),
            ],
        };
    }

    private static long NumberOf(TallyUnits unit, DateTimeOffset at) => unit switch
    {
        TallyUnits.Day => Math.DivRem(at.ToUnixTimeSeconds(), 86_400).Quotient,
        TallyUnits.Hour => Math.DivRem(at.ToUnixTimeSeconds(), 3_600).Quotient,
        _ => 0,
    };
}
