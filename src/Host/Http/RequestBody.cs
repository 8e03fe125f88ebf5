using System.Buffers;

namespace VarianceActors.Host.Http;

/// <summary>How the reading of a body ended.</summary>
internal enum BodyReading
{
    /// <summary>All of it is there.</summary>
    Whole,

    /// <summary>It is over its limit.</summary>
    TooLarge,

    /// <summary>The node holds too many bodies now.</summary>
    NoRoom,
}

/// <summary>
/// A request's body in a rented array, its bytes taken from a <see cref="BodyBudget"/>; give both back with
/// <see cref="Dispose"/>.
/// </summary>
internal struct RequestBody(BodyBudget budget) : IDisposable
{
    private const int FirstBytes = 4 << 10;

    private byte[]? _rented;
    private int _length;
    private long _taken;

    /// <summary>The bytes; valid until disposal.</summary>
    public readonly ReadOnlyMemory<byte> Bytes => _rented.AsMemory(0, _length);

    /// <summary>
    /// Stops reading as soon as the body is larger than <paramref name="bytesMax"/> or finds no room; nothing is held
    /// then.
    /// </summary>
    public static async ValueTask<(BodyReading Reading, RequestBody Body)> ReadAsync(
        HttpContext context, BodyBudget budget, int bytesMax)
    {
        if (context.Request.ContentLength > bytesMax)
            return (BodyReading.TooLarge, default);

        // Only what has arrived counts: who announces much and sends it slowly takes nobody's room.
        var body = new RequestBody(budget);
        var reader = context.Request.BodyReader;
        var isWhole = false;
        try
        {
            while (!isWhole)
            {
                var read = await reader.ReadAsync(context.RequestAborted);
                var length = body._length + read.Buffer.Length;
                var reading = length > bytesMax ? BodyReading.TooLarge
                    : body.TryTake(length) ? BodyReading.Whole
                    : BodyReading.NoRoom;
                if (reading == BodyReading.Whole)
                    body.Append(read.Buffer);
                reader.AdvanceTo(read.Buffer.End);
                if (reading != BodyReading.Whole)
                    return (reading, default);

                isWhole = read.IsCompleted;
            }

            return (BodyReading.Whole, body);
        }
        finally
        {
            if (!isWhole)
                body.Dispose();
        }
    }

    /// <summary>Gives the array and the bytes of the budget back.</summary>
    public void Dispose()
    {
        ReturnArray();
        if (_taken > 0)
            budget.Return(_taken);
        _taken = 0;
    }

    private bool TryTake(long length)
    {
        if (length <= _taken)
            return true;
        if (!budget.TryTake(length - _taken, _taken))
            return false;

        _taken = length;
        return true;
    }

    private void ReturnArray()
    {
        if (_rented is not null)
            ArrayPool<byte>.Shared.Return(_rented);
        _rented = null;
    }

    private void Append(in ReadOnlySequence<byte> bytes)
    {
        var length = _length + (int)bytes.Length;
        if (_rented is null || _rented.Length < length)
        {
            var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(int.MaxValue, Math.Max(_taken, Math.Max(FirstBytes, 2L * _length))));
            Bytes.CopyTo(larger);
            ReturnArray();
            _rented = larger;
        }

        bytes.CopyTo(_rented.AsSpan(_length));
        _length = length;
    }
}
