using System.Net;
using System.Net.Sockets;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// Which addresses a receiver may have. Names are resolved when a connection is made and the very address that was checked is
/// dialled, so a name that changes its address between check and use gains nothing.
/// </summary>
public static class ReceiverAddresses
{
    // 168.63.129.16 is the platform of Azure's machines; the other clouds have theirs at link-local or shared addresses.
    private static readonly IPNetwork[] NotPublic =
    [
        IPNetwork.Parse("0.0.0.0/8"), IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("100.64.0.0/10"),
        IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("168.63.129.16/32"), IPNetwork.Parse("169.254.0.0/16"),
        IPNetwork.Parse("172.16.0.0/12"), IPNetwork.Parse("192.0.0.0/24"), IPNetwork.Parse("192.0.2.0/24"),
        IPNetwork.Parse("192.88.99.0/24"), IPNetwork.Parse("192.168.0.0/16"), IPNetwork.Parse("198.18.0.0/15"),
        IPNetwork.Parse("198.51.100.0/24"), IPNetwork.Parse("203.0.113.0/24"), IPNetwork.Parse("224.0.0.0/3"),
        IPNetwork.Parse("::/96"), IPNetwork.Parse("64:ff9b::/96"), IPNetwork.Parse("64:ff9b:1::/48"),
        IPNetwork.Parse("100::/32"), IPNetwork.Parse("2001::/23"), IPNetwork.Parse("2001:db8::/32"),
        IPNetwork.Parse("2002::/16"), IPNetwork.Parse("3fff::/20"), IPNetwork.Parse("5f00::/16"),
        IPNetwork.Parse("fc00::/7"), IPNetwork.Parse("fe80::/10"), IPNetwork.Parse("fec0::/10"),
        IPNetwork.Parse("ff00::/8"),
    ];

    /// <summary>Whether an address belongs to the public internet (IANA special-purpose registries).</summary>
    public static bool IsPublic(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return !Array.Exists(NotPublic, network => network.Contains(plain));
    }

    /// <summary>Connects to a receiver, trying its allowed addresses in turn.</summary>
    /// <exception cref="ReceiverAddressException">It has no address that may be dialled.</exception>
    /// <exception cref="SocketException">None of them could be reached.</exception>
    internal static async ValueTask<Stream> ConnectAsync(
        DnsEndPoint receiver, bool allowPrivateNetwork, CancellationToken cancellationToken)
    {
        var resolved = IPAddress.TryParse(receiver.Host, out var literal)
            ? [literal]
            : await Dns.GetHostAddressesAsync(receiver.Host, cancellationToken).ConfigureAwait(false);
        var allowed = allowPrivateNetwork ? resolved : Array.FindAll(resolved, IsPublic);
        if (allowed.Length == 0)
        {
            throw new ReceiverAddressException();
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, receiver.Port, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

/// <summary>The receiver has no public address, and the connection does not allow others.</summary>
internal sealed class ReceiverAddressException()
    : HttpRequestException("The receiver has no public address; set allow-private-network = on if that is meant.");
