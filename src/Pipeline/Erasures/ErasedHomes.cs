using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>What homes and accounts ask about erased persons.</summary>
/// <param name="IsErased">Whether nothing more may be learnt through this id.</param>
/// <param name="IsGone">Whether this home must not write any more.</param>
/// <param name="Refresh">Ends once the node knows every erased id that the database knew when it was called.</param>
public sealed record ErasedHomes(Func<PersonId, bool> IsErased, Func<PersonId, bool> IsGone, Func<Task> Refresh)
{
    /// <summary>Nobody was erased, ever.</summary>
    public static readonly ErasedHomes None = new(_ => false, _ => false, () => Task.CompletedTask);

    /// <summary>As a node knows it.</summary>
    public static ErasedHomes Of(PipelineParts parts) => new(
        home => parts.Erased.Now.IsSuppressed(NumberOf(parts, home), home.DistinctId),
        home => parts.Erased.Now.IsGone(NumberOf(parts, home), home.DistinctId),
        () => parts.Erased.RefreshAsync(parts.Database));

    private static int NumberOf(PipelineParts parts, PersonId home) => parts.Layout.NumberByConnection[home.ConnectionId];
}
