using System.Buffers;

namespace VarianceActors.Pipeline.Stores;

/// <summary>
/// Which numbers of a gapless sequence are done: all below a watermark, and some runs above it. Work that finishes out of order
/// commits at once, and a crash repeats only what was not committed.
/// </summary>
public sealed class Progress
{
    /// <summary>Says that runs follow; a first release wrote single distances, which are never zero.</summary>
    private const long RunsFollow = 0;

    private readonly List<Run> _above;

    private Progress(long next, List<Run> above)
    {
        Next = next;
        _above = above;
    }

    /// <summary>The lowest number that is not done.</summary>
    public long Next { get; private set; }

    /// <summary>How many runs are done above the watermark: as many as there are gaps.</summary>
    public int Gaps => _above.Count;

    /// <summary>How many numbers are done.</summary>
    public long Done => Next + _above.Sum(run => run.End - run.From);

    /// <summary>Nothing is done.</summary>
    public static Progress Start() => new(0, []);

    /// <summary>Reads what <see cref="Encode"/> wrote; null is <see cref="Start"/>.</summary>
    /// <exception cref="InvalidDataException">The bytes are not of this form.</exception>
    public static Progress Decode(byte[]? bytes)
    {
        if (bytes is null)
        {
            return Start();
        }

        var reader = new RowReader(bytes);
        var progress = new Progress(reader.ReadVarint(), []);
        if (reader.AtEnd)
        {
            return progress;
        }

        var number = progress.Next;
        var first = reader.ReadVarint();
        if (first != RunsFollow)
        {
            progress.Add(number += first);
            while (!reader.AtEnd)
            {
                progress.Add(number += reader.ReadVarint());
            }

            return progress;
        }

        while (!reader.AtEnd)
        {
            var from = number + reader.ReadVarint();
            number = from + reader.ReadVarint();
            progress._above.Add(new Run(from, number));
        }

        return progress;
    }

    /// <summary>A copy with further numbers done.</summary>
    public Progress With(IEnumerable<long> numbers)
    {
        var copy = new Progress(Next, [.. _above]);
        foreach (var number in numbers)
        {
            copy.Add(number);
        }

        return copy;
    }

    /// <summary>Whether <paramref name="number"/> is done.</summary>
    public bool IsDone(long number) => number < Next || (Behind(number) is > 0 and var at && number < _above[at - 1].End);

    /// <summary>The highest number below <paramref name="end"/> that is not done; null if all are.</summary>
    public long? LastOpen(long end)
    {
        var number = end - 1;
        if (Behind(number) is > 0 and var at && number < _above[at - 1].End)
        {
            number = _above[at - 1].From - 1;
        }

        return number < Next ? null : number;
    }

    /// <summary>Marks a number as done; to mark it again changes nothing.</summary>
    public void Add(long number)
    {
        if (number > Next)
        {
            AddAbove(number);
        }
        else if (number == Next)
        {
            Next++;
            if (_above.Count > 0 && _above[0].From == Next)
            {
                Next = _above[0].End;
                _above.RemoveAt(0);
            }
        }
    }

    /// <summary>The watermark, and each run above it as the gap before it and its length.</summary>
    public byte[] Encode()
    {
        var buffer = new ArrayBufferWriter<byte>(16 + (4 * _above.Count));
        var writer = new RowWriter(buffer);
        writer.WriteVarint(Next);
        if (_above.Count > 0)
        {
            writer.WriteVarint(RunsFollow);
        }

        var previous = Next;
        foreach (var run in _above)
        {
            writer.WriteVarint(run.From - previous);
            writer.WriteVarint(run.End - run.From);
            previous = run.End;
        }

        return buffer.WrittenSpan.ToArray();
    }

    private void AddAbove(long number)
    {
        var at = Behind(number);
        if (at > 0 && number < _above[at - 1].End)
        {
            return;
        }

        var continues = at > 0 && _above[at - 1].End == number;
        var precedes = at < _above.Count && _above[at].From == number + 1;
        if (continues && precedes)
        {
            _above[at - 1] = _above[at - 1] with { End = _above[at].End };
            _above.RemoveAt(at);
        }
        else if (continues)
        {
            _above[at - 1] = _above[at - 1] with { End = number + 1 };
        }
        else if (precedes)
        {
            _above[at] = _above[at] with { From = number };
        }
        else
        {
            _above.Insert(at, new Run(number, number + 1));
        }
    }

    /// <summary>The place of the first run that begins behind <paramref name="number"/>.</summary>
    private int Behind(long number)
    {
        var (low, high) = (0, _above.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_above[middle].From <= number)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    /// <summary>Numbers that are done: <paramref name="From"/>, and those below <paramref name="End"/>.</summary>
    private readonly record struct Run(long From, long End);
}
