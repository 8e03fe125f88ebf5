using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Sources;

public sealed class UuidV5Tests
{
    private static readonly Guid Dns = new("6ba7b810-9dad-11d1-80b4-00c04fd430c8");

    [Fact]
    public void The_example_of_the_RFC_comes_out() =>
        Assert.Equal("2ed6657d-e927-568b-95e1-2665a8aea6a2", UuidV5.Create(Dns, "www.example.com").ToString());

    [Fact]
    public void A_long_name_that_is_not_ASCII_has_a_uuid_too()
    {
        var uuid = UuidV5.Create(Dns, new string('ü', 1000));

        Assert.Equal(5, uuid.Version);
        Assert.NotEqual(uuid, UuidV5.Create(Dns, new string('ü', 999)));
    }
}
