using System.Globalization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Hosting;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Clustering;

/// <summary>Wires a node into its cluster, which may have one node only.</summary>
public static class NodeHosting
{
    /// <summary>The name of the actor system, the same on every node.</summary>
    public const string SystemName = "variance";

    /// <summary>Adds addresses, roles and TLS as the configuration has them, over <c>hocon/cluster.conf</c>.</summary>
    /// <param name="builder">The actor system.</param>
    /// <param name="options">The node's place.</param>
    /// <param name="database">Where nodes find each other that have no seed nodes.</param>
    /// <param name="watch">Notices that the node is lost.</param>
    public static AkkaConfigurationBuilder WithNode(
        this AkkaConfigurationBuilder builder, NodeOptions options, PipelineDatabase database, NodeWatch watch)
    {
        if (options.IsClustered && options.Tls.IsOn)
        {
            builder.AddSetup(NodeTls.Read(options.Tls));
        }

        return builder
            .AddHocon(ConfigurationFactory.ParseString(Hocon(options)), HoconAddMode.Prepend)
            .AddHocon(ConfigurationFactory.ParseString(PipelineHosting.ReadHocon("cluster.conf")), HoconAddMode.Append)
            .AddStartup((system, _) =>
            {
                watch.Watch(system);
                Join(system, options, database, watch);
            });
    }

    private static string Hocon(NodeOptions options)
    {
        var roles = $"akka.cluster.roles = [{string.Join(", ", options.Roles.Select(Quoted))}]";
        if (!options.IsClustered)
        {
            return roles;
        }

        var scheme = options.Tls.IsOn ? "akka.ssl.tcp" : "akka.tcp";
        var seeds = options.SeedNodes.Select(seed => Quoted($"{scheme}://{SystemName}@{seed}"));
        return string.Create(CultureInfo.InvariantCulture, $$"""
            {{roles}}
            akka.remote.use-passive-connections = {{(options.Tls.IsOn ? "off" : "on")}}
            akka.cluster.seed-nodes = [{{string.Join(", ", seeds)}}]
            akka.remote.dot-netty.tcp {
              public-hostname = {{Quoted(options.Hostname)}}
              public-port = {{options.Port}}
              hostname = {{Quoted(options.BindHostname.Length > 0 ? options.BindHostname : options.Hostname)}}
              port = {{(options.BindPort > 0 ? options.BindPort : options.Port)}}
              enable-ssl = {{(options.Tls.IsOn ? "on" : "off")}}
            }
            """);
    }

    private static string Quoted(string text) => $"\"{text}\"";

    private static void Join(ActorSystem system, NodeOptions options, PipelineDatabase database, NodeWatch watch)
    {
        var cluster = Akka.Cluster.Cluster.Get(system);
        if (!options.IsClustered)
        {
            cluster.Join(cluster.SelfAddress);
        }
        else if (options.SeedNodes.Count == 0)
        {
            system.ActorOf(Props.Create(() => new NodeMeeting(database, watch.Lose)), "node-meeting");
        }
    }
}
