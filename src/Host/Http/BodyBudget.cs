using Microsoft.Extensions.Options;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Host.Http;

/// <summary>
/// What all requests of the node may hold at a time, so that its memory stays flat however many senders there are: so
/// many bytes of bodies as received, and one decode per processor. Decoding is all computing, so that more at a time
/// would only cost memory.
/// </summary>
public sealed class BodyBudget(IOptions<SourcesOptions> limits) : IDisposable
{
    private readonly long _bytesMax = limits.Value.BodiesBytesMax;
    private readonly SemaphoreSlim _decodes = new(Environment.ProcessorCount);
    private long _bytes;

    /// <summary>How many bytes of bodies are held now.</summary>
    public long HeldBytes => Interlocked.Read(ref _bytes);

    /// <summary>
    /// Takes bytes for a request that has taken <paramref name="own"/> already; false if there is no room. What is
    /// larger than the whole budget gets through while nothing else is held.
    /// </summary>
    internal bool TryTake(long bytes, long own)
    {
        var before = Interlocked.Add(ref _bytes, bytes) - bytes;
        if (before + bytes <= _bytesMax || before == own)
            return true;

        Return(bytes);
        return false;
    }

    /// <summary>Gives bytes back.</summary>
    internal void Return(long bytes) => Interlocked.Add(ref _bytes, -bytes);

    /// <summary>
    /// Waits for a processor to decode on; false if the sender has gone. Pairs with <see cref="EndDecode"/>.
    /// </summary>
    internal async ValueTask<bool> TryBeginDecode(CancellationToken senderGone)
    {
        try
        {
            await _decodes.WaitAsync(senderGone);
            return true;
        }
        catch (OperationCanceledException) when (senderGone.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>Lets the next request decode.</summary>
    internal void EndDecode() => _decodes.Release();

    /// <inheritdoc />
    public void Dispose() => _decodes.Dispose();
}
