using System.Net;
using System.Net.Sockets;
using System.Text;
using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>Receivers that answer slowly, endlessly or not at all.</summary>
public sealed class HostileReceiverTests
{
    private const int BytesTakenMax = 8 << 20;

    [Theory]
    [InlineData("silent")]
    [InlineData("drips its status")]
    [InlineData("drips its body")]
    [InlineData("endless body")]
    [InlineData("endless body of a success")]
    [InlineData("garbage")]
    public async Task It_costs_a_slot_for_sixteen_seconds_at_most_and_no_memory(string manner)
    {
        await using var receiver = new HostileReceiver(manner);
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            "plugin",
            $$"""
            variance.connections.acme.url = "http://127.0.0.1:{{receiver.Port}}/hook"
            variance.delivery { attempt-timeout = "00:00:10", deadline = "00:00:15" }
            variance.delivery.retry { delay-first = "00:00:00.001", delay-max = "00:00:00.001", budget = "00:00:30" }
            variance.delivery.breaker { failure-percent = 100, attempts-min = 1000000, quiet-attempts-min = 1000000 }
            """));
        await pipeline.CaptureAsync(
            new { uuid = Guid.NewGuid(), @event = "one", distinct_id = "ada" },
            new { uuid = Guid.NewGuid(), @event = "two", distinct_id = "ada" });
        await PipelineHarness.UntilAsync(() => Task.FromResult(receiver.Requests > 0), "it came");
        var from = pipeline.Clock.GetUtcNow();
        await PipelineHarness.UntilAsync(
            () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromMilliseconds(20));
                return Task.FromResult(receiver.Requests > 1);
            },
            "it is over, and tried again or followed by the next one");
        Assert.InRange((pipeline.Clock.GetUtcNow() - from).TotalSeconds, 0, 16);
        Assert.True(receiver.BytesTaken < BytesTakenMax, $"{receiver.BytesTaken >> 10} KB were taken");
    }

    [Fact]
    public async Task A_success_that_was_seen_counts_although_its_body_does_not_end_in_time()
    {
        await using var receiver = new HostileReceiver("drips the body of a success");
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            "plugin",
            $$"""
            variance.connections.acme.url = "http://127.0.0.1:{{receiver.Port}}/hook"
            variance.delivery { attempt-timeout = "00:00:00.500", deadline = "00:00:00.500" }
            """));
        await pipeline.CaptureAsync(new { uuid = Guid.NewGuid(), @event = "one", distinct_id = "ada" });
        await PipelineHarness.UntilAsync(() => Task.FromResult(receiver.Requests == 1), "it came");
        await PipelineHarness.UntilAsync(
            async () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromMilliseconds(20));
                return (await pipeline.LedgerAsync())["delivered"] == 1;
            },
            "it is delivered");
        Assert.Equal(1, receiver.Requests);
    }

    /// <summary>Speaks just enough HTTP to be a nuisance, byte by byte.</summary>
    private sealed class HostileReceiver : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _enough = new();
        private readonly string _manner;
        private readonly Task _accepting;
        private long _bytesTaken;
        private int _requests;

        public HostileReceiver(string manner)
        {
            _manner = manner;
            _listener.Start();
            _accepting = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public int Requests => Volatile.Read(ref _requests);

        public long BytesTaken => Volatile.Read(ref _bytesTaken);

        public async ValueTask DisposeAsync()
        {
            await _enough.CancelAsync();
            _listener.Stop();
            await _accepting;
            _enough.Dispose();
        }

        private async Task AcceptAsync()
        {
            var serving = new List<Task>();
            try
            {
                while (true)
                {
                    serving.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_enough.Token)));
                }
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(serving);
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            using var connection = client;
            try
            {
                var stream = connection.GetStream();
                await stream.ReadExactlyAsync(new byte[16], _enough.Token);
                Interlocked.Increment(ref _requests);
                await AnswerAsync(stream);
            }
            catch (Exception over) when (over is IOException or OperationCanceledException)
            {
                // the sender has had enough of it
            }
        }

        private async Task AnswerAsync(NetworkStream stream)
        {
            var status = _manner.EndsWith("of a success", StringComparison.Ordinal) ? "200 OK" : "503 Service Unavailable";
            var head = $"HTTP/1.1 {status}\r\nContent-Length: 10737418240\r\n\r\n";
            switch (_manner)
            {
                case "silent":
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _enough.Token);
                    break;
                case "drips its status":
                    await DripAsync(stream, string.Concat(Enumerable.Repeat(head, 100)));
                    break;
                case "drips its body" or "drips the body of a success":
                    await stream.WriteAsync(Encoding.ASCII.GetBytes(head), _enough.Token);
                    await DripAsync(stream, new string('x', 100_000));
                    break;
                case "garbage":
                    await stream.WriteAsync(Encoding.ASCII.GetBytes("no HTTP at all\r\n\r\n"), _enough.Token);
                    break;
                default:
                    await stream.WriteAsync(Encoding.ASCII.GetBytes(head), _enough.Token);
                    await PourAsync(stream);
                    break;
            }
        }

        private async Task DripAsync(NetworkStream stream, string text)
        {
            foreach (var letter in text)
            {
                await stream.WriteAsync(new[] { (byte)letter }, _enough.Token);
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, _enough.Token);
            }
        }

        private async Task PourAsync(NetworkStream stream)
        {
            var bytes = new byte[64 * 1024];
            while (true)
            {
                await stream.WriteAsync(bytes, _enough.Token);
                Interlocked.Add(ref _bytesTaken, bytes.Length);
            }
        }
    }
}
