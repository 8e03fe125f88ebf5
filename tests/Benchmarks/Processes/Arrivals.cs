using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace VarianceActors.Benchmarks.Processes;

/// <summary>The receiver's memory: when the message of each event came, and how often more than once.</summary>
internal sealed class Arrivals
{
    private static readonly byte[] Mark = Encoding.ASCII.GetBytes($"\"messageId\":\"{Traffic.UuidPrefix}");
    private long _first;
    private long[] _ticks = [];
    private long _received;
    private long _unique;
    private long _repeated;

    /// <summary>Takes a request: whatever its body is, it is answered 200.</summary>
    public async Task TakeAsync(HttpContext http)
    {
        var body = http.Request.BodyReader;
        while (true)
        {
            var read = await body.ReadAsync(http.RequestAborted);
            if (read.IsCompleted)
            {
                Take(read.Buffer);
                body.AdvanceTo(read.Buffer.End);
                return;
            }

            body.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary><c>expect first count</c>, <c>count</c>, <c>write file</c>.</summary>
    public async Task<string> ObeyAsync(string[] words)
    {
        switch (words)
        {
            case ["expect", var first, var count]:
                _ticks = new long[int.Parse(count, CultureInfo.InvariantCulture)];
                _first = long.Parse(first, CultureInfo.InvariantCulture);
                (_received, _unique, _repeated) = (0, 0, 0);
                return "ok";
            case ["count"]:
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"counted {Interlocked.Read(ref _received)} {Interlocked.Read(ref _unique)} {Interlocked.Read(ref _repeated)}");
            case ["write", var file]:
                await File.WriteAllBytesAsync(file, MemoryMarshal.AsBytes(_ticks.AsSpan()).ToArray());
                return "ok";
            default:
                throw new ArgumentException("A receiver does not know this.");
        }
    }

    private void Take(in ReadOnlySequence<byte> body)
    {
        Interlocked.Increment(ref _received);
        var whole = body.IsSingleSegment ? body.FirstSpan : body.ToArray();
        var at = whole.IndexOf(Mark);
        if (at < 0
            || !Utf8Parser.TryParse(whole.Slice(at + Mark.Length, 12), out long number, out _, 'x')
            || number < _first
            || number >= _first + _ticks.Length)
        {
            return;
        }

        var isFirst = Interlocked.CompareExchange(ref _ticks[number - _first], Stopwatch.GetTimestamp(), 0) == 0;
        Interlocked.Increment(ref isFirst ? ref _unique : ref _repeated);
    }
}
