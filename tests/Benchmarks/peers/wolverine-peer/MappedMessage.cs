namespace VarianceActors.WolverinePeer;

/// <summary>The body of one message to be posted.</summary>
/// <param name="Body">JSON.</param>
public sealed record MappedMessage(string Body);

/// <summary>Posts it; what fails, Wolverine's own policy sends again.</summary>
public static class MappedMessageHandler
{
    /// <summary>Posts one message.</summary>
    public static async Task Handle(MappedMessage message, HttpClient http, CancellationToken cancellationToken)
    {
        using var content = new StringContent(message.Body, System.Text.Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync("", content, cancellationToken);
        answer.EnsureSuccessStatusCode();
    }
}
