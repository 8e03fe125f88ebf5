using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Configuration;
using Akka.Persistence;
using Akka.Persistence.Sql.Journal;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Tests.People;

/// <summary>A journal in which the writes of some homes fail.</summary>
internal sealed class FailingJournal(Config config) : SqlWriteJournal(config)
{
    public const string Config = """
        akka.persistence.journal.sql {
          class = "VarianceActors.Pipeline.Tests.People.FailingJournal, VarianceActors.Pipeline.Tests"
          circuit-breaker.max-failures = 100000
        }

        """;

    private static readonly ConcurrentDictionary<string, TaskCompletionSource> Failing = new();

    /// <summary>From now on every write of a home fails; done when the first one did.</summary>
    public static Task Fail(PersonId home) => Failing.GetOrAdd(home.PersistenceId, _ => new TaskCompletionSource()).Task;

    protected override Task<IImmutableList<Exception>> WriteMessagesAsync(
        IEnumerable<AtomicWrite> messages,
        CancellationToken cancellationToken)
    {
        var writes = messages.ToArray();
        if (!Failing.TryGetValue(writes[0].PersistenceId, out var failed))
        {
            return base.WriteMessagesAsync(writes, cancellationToken);
        }

        failed.TrySetResult();
        throw new IOException("The disk is full.");
    }
}
