using System.Buffers;

namespace VarianceActors.Host.Http;

/// <summary>A request's body in a rented array; give it back with <see cref="Dispose"/>.</summary>
internal struct RequestBody : IDisposable
{
    private const int FirstBytes = 4 << 10;

    private byte[]? _rented;
    private int _length;

    /// <summary>The bytes; valid until disposal.</summary>
    public readonly ReadOnlyMemory<byte> Bytes => _rented.AsMemory(0, _length);

    /// <summary>
    /// Stops reading as soon as the body is larger than <paramref name="bytesMax"/>, and answers null then.
    /// </summary>
    public static async ValueTask<RequestBody?> ReadAsync(HttpContext context, int bytesMax)
    {
        if (context.Request.ContentLength > bytesMax)
            return null;

        var body = default(RequestBody);
        var reader = context.Request.BodyReader;
        var isWhole = false;
        try
        {
            while (!isWhole)
            {
                var read = await reader.ReadAsync(context.RequestAborted);
                var fits = body._length + read.Buffer.Length <= bytesMax;
                if (fits)
                    body.Append(read.Buffer);
                reader.AdvanceTo(read.Buffer.End);
                if (!fits)
                    return null;

                isWhole = read.IsCompleted;
            }

            return body;
        }
        finally
        {
            if (!isWhole)
                body.Dispose();
        }
    }

    /// <summary>Gives the array back.</summary>
    public void Dispose()
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
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(length, Math.Max(FirstBytes, _length * 2)));
            Bytes.CopyTo(larger);
            Dispose();
            _rented = larger;
        }

        bytes.CopyTo(_rented.AsSpan(_length));
        _length = length;
    }
}
