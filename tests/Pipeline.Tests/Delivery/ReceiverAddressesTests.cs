using System.Net;
using System.Net.Sockets;
using VarianceActors.Pipeline.Delivery;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>Which addresses are dialled for a receiver, however they are written.</summary>
public sealed class ReceiverAddressesTests
{
    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("10.1.2.3")]
    [InlineData("100.64.0.1")]
    [InlineData("100.100.100.200")]
    [InlineData("127.0.0.1")]
    [InlineData("127.255.255.254")]
    [InlineData("168.63.129.16")]
    [InlineData("169.254.169.254")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.0.0.192")]
    [InlineData("192.168.1.1")]
    [InlineData("198.19.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("240.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("::127.0.0.1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:10.0.0.1")]
    [InlineData("::ffff:169.254.169.254")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("64:ff9b:1::1")]
    [InlineData("100::1")]
    [InlineData("2001::1")]
    [InlineData("2001:db8::1")]
    [InlineData("2002:7f00:1::")]
    [InlineData("3fff::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("fe80::1%1")]
    [InlineData("fec0::1")]
    [InlineData("ff02::1")]
    public void An_address_that_is_not_of_the_public_internet_is_refused(string address) =>
        Assert.False(ReceiverAddresses.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData("1.1.1.1")]
    [InlineData("9.255.255.255")]
    [InlineData("100.63.255.255")]
    [InlineData("100.128.0.0")]
    [InlineData("172.15.255.255")]
    [InlineData("172.32.0.0")]
    [InlineData("192.167.255.255")]
    [InlineData("223.255.255.255")]
    [InlineData("::ffff:1.1.1.1")]
    [InlineData("2606:4700::1111")]
    [InlineData("2a00:1450::1")]
    public void An_address_of_the_public_internet_is_not(string address) =>
        Assert.True(ReceiverAddresses.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData("https://127.0.0.1")]
    [InlineData("https://127.1")]
    [InlineData("https://2130706433")]
    [InlineData("https://0x7f000001")]
    [InlineData("https://0177.0.0.1")]
    [InlineData("https://0")]
    [InlineData("https://localhost")]
    [InlineData("https://LOCALHOST")]
    [InlineData("https://[::1]")]
    [InlineData("https://[::]")]
    [InlineData("https://[::ffff:127.0.0.1]")]
    [InlineData("https://[::ffff:7f00:1]")]
    public async Task Loopback_is_never_dialled_however_it_is_written(string url)
    {
        using var listener = TcpListener.Create(0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var endpoint = new DnsEndPoint(new Uri(url).IdnHost, port);

        await Assert.ThrowsAsync<ReceiverAddressException>(
            () => ReceiverAddresses.ConnectAsync(endpoint, allowPrivateNetwork: false, CancellationToken.None).AsTask());

        Assert.False(listener.Pending());
        await using var allowed = await ReceiverAddresses.ConnectAsync(
            new DnsEndPoint("localhost", port), allowPrivateNetwork: true, CancellationToken.None);
        Assert.True(allowed.CanWrite);
    }
}
