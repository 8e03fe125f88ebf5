using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Persistence;
using Akka.Persistence.Journal;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Tests.People;

/// <summary>A crash at one of the writes of some homes: before it is durable, or after it and before anything is
/// sent.</summary>
internal sealed class Crash(int atWrite, bool afterIt)
{
    private int _writes;
    private int _unlisted;

    public int Writes => _writes;

    /// <summary>Writes that began a merge of a home that was not on the list of unfinished merges.</summary>
    public int Unlisted => _unlisted;

    public bool AfterIt => afterIt;

    /// <summary>Counts a write; true if this is the one.</summary>
    public bool IsNow() => Interlocked.Increment(ref _writes) == atWrite;

    public void NoteUnlisted() => Interlocked.Increment(ref _unlisted);
}

/// <summary>A journal in memory whose writes fail where a test wants it; a persistent actor stops when a write
/// fails.</summary>
internal sealed class CrashingJournal : MemoryJournal
{
    public const string Config = """
        akka.persistence {
          journal.plugin = "crashing"
          snapshot-store.plugin = "akka.persistence.snapshot-store.inmem"
        }
        crashing {
          class = "VarianceActors.Pipeline.Tests.People.CrashingJournal, VarianceActors.Pipeline.Tests"
          plugin-dispatcher = "akka.actor.default-dispatcher"
          circuit-breaker.max-failures = 100000
        }
        """;

    private static readonly ConcurrentDictionary<string, Crash> Crashes = new();
    private static readonly ConcurrentDictionary<string, Func<bool>> Lists = new();
    private static readonly ConcurrentDictionary<string, Task> Gates = new();

    public static void Plan(Crash crash, IEnumerable<PersonId> homes, UnfinishedList list)
    {
        foreach (var home in homes)
        {
            Crashes[home.PersistenceId] = crash;
            Lists[home.PersistenceId] = () => list.Holds(home);
        }
    }

    /// <summary>Writes of a home wait until the task is done.</summary>
    public static void HoldUntil(Task opened, PersonId home) => Gates[home.PersistenceId] = opened;

    protected override async Task<IImmutableList<Exception>> WriteMessagesAsync(
        IEnumerable<AtomicWrite> messages,
        CancellationToken cancellationToken)
    {
        var writes = messages.ToArray();
        var crash = Crashes.GetValueOrDefault(writes[0].PersistenceId);
        if (crash is not null && BeginsMerge(writes[0]) && !Lists[writes[0].PersistenceId]())
        {
            crash.NoteUnlisted();
        }

        await Gates.GetValueOrDefault(writes[0].PersistenceId, Task.CompletedTask);
        var isNow = crash?.IsNow() is true;
        if (isNow && !crash!.AfterIt)
        {
            throw new IOException("Crashed before the write.");
        }

        var results = await base.WriteMessagesAsync(writes, cancellationToken);
        return isNow ? throw new IOException("Crashed after the write.") : results;
    }

    private static bool BeginsMerge(AtomicWrite write) =>
        ((IEnumerable<IPersistentRepresentation>)write.Payload).Last().Payload
            is PersonFact.MergeAsked or PersonFact.Sealed;
}
