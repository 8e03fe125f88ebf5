using System.Net;
using System.Net.Sockets;

namespace VarianceActors.Databases;

/// <summary>
/// Ports of loopback for servers that start later, or again. They lie below the ports that the system gives to connections
/// (32768 and up on Linux), so none is taken by a connection while its server is down.
/// </summary>
public static class LoopbackPort
{
    private const int First = 20_000;
    private const int Count = 12_000;

    private static int _next = Random.Shared.Next(Count);

    /// <summary>A port that nobody listens on, and that this process was not given before.</summary>
    public static int Free()
    {
        while (true)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref _next) % Count);
            using var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException taken) when (taken.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                continue;
            }
        }
    }
}
