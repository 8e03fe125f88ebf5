using Akka.Actor;
using Akka.Cluster;
using Akka.Hosting;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Clustering;
using VarianceActors.Pipeline.Ingest;

namespace VarianceActors.Host.Http;

/// <summary>
/// Whether the node can accept events, and process them if that is one of its roles. That partitions are on the move between nodes
/// makes no node unready, once it has been ready: to accept needs the database alone, and nodes that are all taken out of
/// service at once would serve nobody.
/// </summary>
internal sealed class Readiness(
    PipelineParts parts, ActorSystem system, IRequiredActor<IngestRegion> ingest, IHostApplicationLifetime lifetime)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private bool _hasProcessed;

    /// <summary>What is missing; null when nothing is.</summary>
    public async Task<string?> MissingAsync(CancellationToken cancellationToken)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            return "stopping";
        }

        if (Cluster.Get(system).SelfMember.Status != MemberStatus.Up)
        {
            return "the node has not joined its cluster yet";
        }

        if (Processes && !_hasProcessed && !await IsProcessingAsync(cancellationToken))
        {
            return "the ingest actors do not answer yet";
        }

        return await parts.Database.CanWriteAsync(Patience) ? null : "the database does not take writes";
    }

    /// <summary>A node that leaves the processing to others can accept without them.</summary>
    private bool Processes => !parts.Options.Cluster.IsClustered || Cluster.Get(system).SelfRoles.Contains(NodeRoles.Ingest);

    private async Task<bool> IsProcessingAsync(CancellationToken cancellationToken)
    {
        try
        {
            var last = parts.Layout.Partitioning.Partitions - 1;
            var region = await ingest.GetAsync(cancellationToken);
            await region.Ask<IngestRunning>(new IngestMessage.GetRunning(last), Patience, cancellationToken);
            _hasProcessed = parts.Options.Cluster.IsClustered;
            return true;
        }
        catch (AskTimeoutException)
        {
            return false;
        }
    }
}
