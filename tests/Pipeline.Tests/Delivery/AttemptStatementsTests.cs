using System.Globalization;
using System.Text;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.Delivery;

/// <summary>What is kept of the attempts to deliver a message.</summary>
public sealed class AttemptStatementsTests
{
    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task However_often_a_message_is_tried_few_answers_are_kept_and_every_status_of_a_hundred(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, 2, ["acme"]);
        var connection = layout.NumberByConnection["acme"];
        await store.Database.WriteAsync(session =>
        {
            foreach (var number in Enumerable.Range(1, 110))
            {
                AttemptStatements.Add(session, connection, 1, 70, Attempt(number));
                AttemptStatements.Add(session, connection, 1, 71, Attempt(Math.Min(number, 6)));
            }

            return true;
        });

        var often = await store.Database.ReadAsync(session => AttemptStatements.Of(session, connection, 1, 70));
        Assert.Equal([.. Enumerable.Range(1, 10), .. Enumerable.Range(21, 90)], often.Select(attempt => attempt.Number));
        Assert.All(often, attempt => Assert.Equal((503, "status-503"), (attempt.Status, attempt.Reason)));
        Assert.Equal(
            ["page 1", "page 2", "page 3", "page 108", "page 109", "page 110"],
            often.Where(attempt => attempt.Response.Length > 0).Select(attempt => Encoding.UTF8.GetString(attempt.Response)));
        var seldom = await store.Database.ReadAsync(session => AttemptStatements.Of(session, connection, 1, 71));
        Assert.Equal(6, seldom.Count(attempt => attempt.Response.Length > 0));
    }

    private static DeliveryAttempt Attempt(int number) => DeliveryAttempt.Answered(
        503, retryAfter: null, Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"page {number}"))) with
    {
        Number = number,
        At = GateSetup.Noon.AddSeconds(number),
    };
}
