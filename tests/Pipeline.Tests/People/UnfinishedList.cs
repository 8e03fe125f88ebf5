using System.Collections.Concurrent;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Tests.People;

/// <summary>A list of unfinished merges in memory.</summary>
internal sealed class UnfinishedList
{
    private readonly ConcurrentDictionary<PersonId, long> _marks = new();

    public UnfinishedList() => Merges = new UnfinishedMerges(Begin, End);

    public UnfinishedMerges Merges { get; }

    public IEnumerable<PersonId> Homes => _marks.Keys;

    public bool Holds(PersonId home) => _marks.ContainsKey(home);

    private async Task Begin(PersonId home, long mark)
    {
        await Task.Yield();
        _marks.AddOrUpdate(home, mark, (_, before) => Math.Max(before, mark));
    }

    private async Task End(PersonId home, long mark)
    {
        await Task.Yield();
        if (_marks.TryGetValue(home, out var listed) && listed <= mark)
        {
            _marks.TryRemove(KeyValuePair.Create(home, listed));
        }
    }
}
