using System.Security.Cryptography;
using System.Text;
using VarianceActors.Pipeline.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class PersonIdTests
{
    [Theory]
    [InlineData("main", "user-1")]
    [InlineData("a/b c:", "🙂/../\n")]
    [InlineData("x", "")]
    public void Entity_ids_are_short_and_safe_in_paths(string connection, string distinctId)
    {
        var id = new PersonId(connection, distinctId + new string('z', 1_000));

        Assert.Matches("^[A-Za-z0-9_.-]{1,110}$", id.EntityId);
        Assert.Equal($"person-{id.EntityId}", id.PersistenceId);
    }

    [Fact]
    public void Connections_and_ids_do_not_run_into_each_other() => Assert.Equal(
        4,
        new[] { new PersonId("a", "bc"), new PersonId("ab", "c"), new PersonId("a_", "x"), new PersonId("a:", "x") }
            .Select(id => id.EntityId)
            .Distinct()
            .Count());

    [Fact]
    public void Priority_is_the_hash_compared_as_bytes()
    {
        var ids = Enumerable.Range(0, 200).Select(at => new PersonId("main", $"id-{at}")).ToArray();

        var byPriority = ids.OrderBy(id => id.Priority).Select(id => id.DistinctId);
        var byHash = ids
            .OrderBy(id => Convert.ToHexString(Hash(id)), StringComparer.Ordinal)
            .Select(id => id.DistinctId);

        Assert.Equal(byHash, byPriority);
    }

    [Fact]
    public void The_persons_uuid_is_a_name_based_one()
    {
        // RFC 9562, appendix A.4: version 5 of www.example.com in the DNS namespace.
        var dns = new Guid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");

        Assert.Equal(new Guid("2ed6657d-e927-568b-95e1-2665a8aea6a2"), PersonUuid.Version5(dns, "www.example.com"));
        Assert.Equal(PersonUuid.Of(new PersonId("main", "a")), PersonUuid.Of(new PersonId("main", "a")));
        Assert.NotEqual(PersonUuid.Of(new PersonId("main", "a")), PersonUuid.Of(new PersonId("other", "a")));
        Assert.Equal(new Guid("a528cb43-95bb-5968-9ba8-538fa8769cd6"), PersonUuid.Of(new PersonId("main", "ada"), project: 42));
    }

    private static byte[] Hash(PersonId id) =>
        SHA256.HashData(Encoding.UTF8.GetBytes($"{id.ConnectionId}\0{id.DistinctId}"));
}
