using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace VarianceActors.Databases;

/// <summary>What becomes of some bytes on their way.</summary>
public enum Fate
{
    /// <summary>They arrive.</summary>
    Pass,

    /// <summary>They arrive, and then the connection is cut: whoever sent them never hears the answer.</summary>
    PassThenCut,

    /// <summary>The connection is cut before they arrive.</summary>
    Cut,
}

/// <summary>A TCP proxy on loopback that can be slow, silent, or gone: connection by connection, or for all.</summary>
public sealed class ChaosProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Link, bool> _links = [];
    private readonly CancellationTokenSource _ended = new();
    private readonly int _target;
    private readonly Task _accepting;
    private long _held;

    /// <summary>Stands in front of a port of loopback.</summary>
    public ChaosProxy(int target)
    {
        _target = target;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public int Port { get; }

    /// <summary>Whether connections are refused.</summary>
    public bool IsClosed { get; set; }

    /// <summary>How long every piece is held back.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Whether a connection, told by the port that it comes from, is silent, to the target (true) or back from it: its bytes
    /// wait.</summary>
    public Func<int, bool, bool> IsSilent { get; set; } = (_, _) => false;

    /// <summary>What becomes of bytes on their way to the target.</summary>
    public Func<ReadOnlyMemory<byte>, Fate> ToTarget { get; set; } = _ => Fate.Pass;

    /// <summary>How many connections were cut.</summary>
    public int Cuts { get; private set; }

    /// <summary>How many pieces a silent connection held back.</summary>
    public long Held => Volatile.Read(ref _held);

    /// <summary>Cuts every connection.</summary>
    public void CutAll()
    {
        foreach (var link in _links.Keys)
        {
            Cuts++;
            link.Dispose();
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _listener.Stop();
        CutAll();
        await _accepting;
        _ended.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_ended.IsCancellationRequested)
        {
            try
            {
                var client = await _listener.AcceptTcpClientAsync(_ended.Token);
                _ = ForwardAsync(client);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // The next one, or the end.
            }
        }
    }

    private async Task ForwardAsync(TcpClient client)
    {
        using var link = new Link(client, new TcpClient());
        if (IsClosed)
        {
            return;
        }

        _links[link] = true;
        try
        {
            client.NoDelay = link.Server.NoDelay = true;
            var source = ((IPEndPoint)client.Client.RemoteEndPoint!).Port;
            await link.Server.ConnectAsync(IPAddress.Loopback, _target, _ended.Token);
            await Task.WhenAny(
                PumpAsync(link.Client.GetStream(), link.Server.GetStream(), source, isToTarget: true),
                PumpAsync(link.Server.GetStream(), link.Client.GetStream(), source, isToTarget: false));
        }
        catch (Exception e) when (IsOfTheNet(e))
        {
            // One side is gone; so is the other one.
        }
        finally
        {
            _links.TryRemove(link, out _);
        }
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, int source, bool isToTarget)
    {
        var buffer = new byte[65_536];
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        try
        {
            while (await from.ReadAsync(buffer, _ended.Token) is > 0 and var read)
            {
                if (IsSilent(source, isToTarget))
                {
                    Interlocked.Increment(ref _held);
                }

                while (IsSilent(source, isToTarget))
                {
                    await ticks.WaitForNextTickAsync(_ended.Token);
                }

                if (Delay > TimeSpan.Zero)
                {
                    await Task.Delay(Delay, TimeProvider.System, _ended.Token);
                }

                var fate = isToTarget ? ToTarget(buffer.AsMemory(0, read)) : Fate.Pass;
                if (fate != Fate.Cut)
                {
                    await to.WriteAsync(buffer.AsMemory(0, read), _ended.Token);
                }

                if (fate != Fate.Pass)
                {
                    Cuts++;
                    return;
                }
            }
        }
        catch (Exception e) when (IsOfTheNet(e))
        {
            // As above.
        }
    }

    private static bool IsOfTheNet(Exception e) =>
        e is IOException or SocketException or OperationCanceledException or ObjectDisposedException;

    private sealed record Link(TcpClient Client, TcpClient Server) : IDisposable
    {
        public void Dispose()
        {
            Client.Client?.Close(0);
            Server.Client?.Close(0);
            Client.Dispose();
            Server.Dispose();
        }
    }
}
