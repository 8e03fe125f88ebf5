using System.Globalization;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Clustering;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Host.Configuration;

/// <summary>Rules of a node's place in a cluster.</summary>
internal static class ClusterRules
{
    private const string Key = "variance:cluster";

    /// <summary>Reports every rule that the block breaks, by key with colons.</summary>
    public static void Check(PipelineOptions options, Action<string, string> report)
    {
        var cluster = options.Cluster;
        CheckRoles(cluster.Roles, report);
        CheckAddresses($"{Key}:seed-nodes", cluster.SeedNodes, report);
        CheckName($"{Key}:hostname", cluster.Hostname, report);
        CheckName($"{Key}:bind-hostname", cluster.BindHostname, report);
        CheckTls(cluster.Tls, report);
        if (cluster.IsClustered && options.Store != StoreKind.Postgres)
        {
            report("variance:store", "must be postgres in a cluster: nodes share one database");
        }

        if (!cluster.IsClustered && cluster.SeedNodes.Count > 0)
        {
            report($"{Key}:hostname", "is empty; give the name by which the other nodes reach this one");
        }
    }

    private static void CheckRoles(IReadOnlyList<string> roles, Action<string, string> report)
    {
        if (roles.Count == 0 || roles.Except(NodeRoles.All).Any())
        {
            report($"{Key}:roles", $"takes some of {string.Join(", ", NodeRoles.All)}");
        }
    }

    private static void CheckAddresses(string key, IReadOnlyList<string> addresses, Action<string, string> report)
    {
        if (!addresses.All(IsAddress))
        {
            report(key, "takes addresses such as \"a.internal:4053\"");
        }
    }

    private static bool IsAddress(string address) => address.Split(':') is [var host, var port]
        && host.Length > 0
        && host.All(IsOfName)
        && ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && number > 0;

    private static void CheckName(string key, string name, Action<string, string> report)
    {
        if (!name.All(IsOfName))
        {
            report(key, "is no host name or IPv4 address");
        }
    }

    private static bool IsOfName(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-';

    private static void CheckTls(NodeTlsOptions tls, Action<string, string> report)
    {
        if (!tls.IsOn)
        {
            return;
        }

        CheckFile("certificate-file", tls.CertificateFile);
        CheckFile("key-file", tls.KeyFile);
        CheckFile("authority-file", tls.AuthorityFile);

        void CheckFile(string name, string file)
        {
            if (!File.Exists(file))
            {
                report($"{Key}:tls:{name}", file.Length == 0 ? "is empty; TLS needs all three files" : "is not there");
            }
        }
    }
}
