using System.Text;
using Akka.Actor;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Views;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Views;

/// <summary>The golden files are what other nodes send: they may be added to, never changed.</summary>
public sealed class ViewSerializerTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("serializer-tests", "akka.stdout-loglevel = OFF");

    public void Dispose() => _system.Dispose();

    [Fact]
    public void A_poke_is_written_and_read_as_the_golden_file_says()
    {
        var serializer = new ViewSerializer((ExtendedActorSystem)_system);
        var golden = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Views", "Golden", "views.poke.v1.json")).TrimEnd();
        var poke = new ViewMessage.Poke(new DeliveryId("acme", 3));

        Assert.Equal(golden, Encoding.UTF8.GetString(serializer.ToBinary(poke)));
        Assert.Equal(poke, serializer.FromBinary(Encoding.UTF8.GetBytes(golden), "views.poke.v1"));
        Assert.Equal([typeof(ViewMessage.Poke)], ViewSerializer.Manifests.Keys);
    }
}
