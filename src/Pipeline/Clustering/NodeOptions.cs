using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Clustering;

/// <summary>A node's place in a cluster: the block <c>variance.cluster</c>.</summary>
public sealed class NodeOptions
{
    /// <summary>Name or address by which other nodes reach this one; empty: a cluster of one.</summary>
    public required string Hostname { get; set; }

    /// <summary>Port by which other nodes reach this one; 0: a free one.</summary>
    [Range(0, 65_535)]
    public int Port { get; set; }

    /// <summary>Address to bind to; empty: the hostname.</summary>
    public required string BindHostname { get; set; }

    /// <summary>Port to bind to; 0: the port.</summary>
    [Range(0, 65_535)]
    public int BindPort { get; set; }

    /// <summary>Nodes that let others in, as <c>host:port</c>, the same on every node; none: nodes find each other in the
    /// database.</summary>
    public required IReadOnlyList<string> SeedNodes { get; set; }

    /// <summary>What this node does; see <see cref="NodeRoles"/>.</summary>
    public required IReadOnlyList<string> Roles { get; set; }

    /// <summary>How long the node serves on after it was told to stop.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:05:00")]
    public TimeSpan StopAfter { get; set; }

    /// <summary>Encryption and authentication between nodes.</summary>
    public required NodeTlsOptions Tls { get; set; }

    /// <summary>Whether there may be other nodes.</summary>
    public bool IsClustered => Hostname.Length > 0;
}

/// <summary>Encryption and authentication between nodes: the block <c>variance.cluster.tls</c>. On when a certificate is
/// named.</summary>
public sealed class NodeTlsOptions
{
    /// <summary>PEM file of this node's certificate; empty: no TLS.</summary>
    public required string CertificateFile { get; set; }

    /// <summary>PEM file of its private key.</summary>
    public required string KeyFile { get; set; }

    /// <summary>PEM file of the authority that has signed the certificates of all nodes.</summary>
    public required string AuthorityFile { get; set; }

    /// <summary>Whether nodes speak TLS to each other.</summary>
    public bool IsOn => CertificateFile.Length > 0;
}

/// <summary>What nodes do.</summary>
public static class NodeRoles
{
    /// <summary>Fans events out to persons.</summary>
    public const string Ingest = "ingest";

    /// <summary>Holds persons and accounts.</summary>
    public const string People = "people";

    /// <summary>Delivers.</summary>
    public const string Delivery = "delivery";

    /// <summary>Has the doors and the API.</summary>
    public const string Web = "web";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Ingest, People, Delivery, Web];
}
