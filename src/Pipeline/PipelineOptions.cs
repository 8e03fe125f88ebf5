using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Clustering;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Ingest;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>The block <c>variance</c>: all that can be set. Defaults are in <c>hocon/pipeline.conf</c>.</summary>
public sealed class PipelineOptions
{
    /// <summary>Secret of the API; empty: the API answers on loopback only.</summary>
    public required string AdminKey { get; set; }

    /// <summary>Where everything is kept.</summary>
    public StoreKind Store { get; set; }

    /// <summary>Directory of the SQLite files.</summary>
    public required string DataDir { get; set; }

    /// <summary>How the PostgreSQL database is reached.</summary>
    public required PostgresOptions Postgres { get; set; }

    /// <summary>The node's place in a cluster.</summary>
    public required NodeOptions Cluster { get; set; }

    /// <summary>Limits of the doors.</summary>
    public required SourcesOptions Sources { get; set; }

    /// <summary>How events wait for their commit.</summary>
    public required InboxOptions Inbox { get; set; }

    /// <summary>How events go from the inbox to the persons.</summary>
    public required IngestOptions Ingest { get; set; }

    /// <summary>How persons live.</summary>
    public required PeopleOptions People { get; set; }

    /// <summary>How accounts live.</summary>
    public required AccountsOptions Accounts { get; set; }

    /// <summary>How messages wait for delivery.</summary>
    public required OutboxOptions Outbox { get; set; }

    /// <summary>How long finished work is kept.</summary>
    public required RetentionOptions Retention { get; set; }

    /// <summary>How messages are posted.</summary>
    public required DeliveryOptions Delivery { get; set; }

    /// <summary>The tables of contacts and accounts.</summary>
    public required ViewsOptions Views { get; set; }

    /// <summary>What a connection is unless it says otherwise.</summary>
    public required ConnectionOptions ConnectionDefaults { get; set; }

    /// <summary>The connections by id (<c>[a-z0-9-]+</c>), each complete.</summary>
    public required Dictionary<string, ConnectionOptions> Connections { get; set; }
}
