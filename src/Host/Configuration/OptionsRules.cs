using System.Globalization;
using VarianceActors.Pipeline;

namespace VarianceActors.Host.Configuration;

/// <summary>Rules that need more than one key, and the shapes of texts.</summary>
internal static class OptionsRules
{
    private const int SecretCharactersMin = 16;

    /// <summary>Reports every rule that the options break, by key with colons. Values that are secret are never in a message.</summary>
    public static void Check(PipelineOptions options, Action<string, string> report)
    {
        CheckSecret("variance:admin-key", options.AdminKey, report);
        if (string.IsNullOrWhiteSpace(options.DataDir))
        {
            report("variance:data-dir", "is empty; give a directory");
        }

        CheckSizes(options, report);
        ConnectionRules.Check(options.Connections, report);
    }

    /// <summary>A secret is empty, or long enough and fit for a header.</summary>
    public static void CheckSecret(string key, string secret, Action<string, string> report)
    {
        if (secret.Length is > 0 and < SecretCharactersMin)
        {
            report(key, $"is shorter than {SecretCharactersMin} characters; give a longer one, such as from: openssl rand -hex 24");
        }
        else if (!secret.All(c => c is > ' ' and <= '~'))
        {
            report(key, "has characters that do not fit into a header; give visible ASCII characters without spaces");
        }
    }

    private static void CheckSizes(PipelineOptions options, Action<string, string> report)
    {
        var (sources, inbox, retry) = (options.Sources, options.Inbox, options.Delivery.Retry);
        NotAbove("sources:body-bytes-max", sources.BodyBytesMax, "sources:inflated-bytes-max", sources.InflatedBytesMax);
        NotAbove("sources:event-body-bytes-max", sources.EventBodyBytesMax, "sources:inflated-bytes-max", sources.InflatedBytesMax);
        NotAbove("sources:webhook-body-bytes-max", sources.WebhookBodyBytesMax, "sources:inflated-bytes-max", sources.InflatedBytesMax);
        NotAbove("sources:event-bytes-max", sources.EventBytesMax, "sources:inflated-bytes-max", sources.InflatedBytesMax);
        NotAbove("sources:events-max", sources.EventsMax, "inbox:queue-events-max", inbox.QueueEventsMax);
        NotAbove("inbox:commit-events-max", inbox.CommitEventsMax, "inbox:queue-events-max", inbox.QueueEventsMax);
        NotAbove("retention:outbox", options.Retention.Outbox, "retention:ledger", options.Retention.Ledger);
        NotAbove("delivery:retry:delay-first", retry.DelayFirst, "delivery:retry:delay-max", retry.DelayMax);
        NotAbove("delivery:retry:delay-max", retry.DelayMax, "delivery:retry:budget", retry.Budget);

        void NotAbove<T>(string key, T value, string limitKey, T limit)
            where T : struct, IComparable<T>
        {
            // A limit that could not be read is zero here, and has its own fault.
            if (limit.CompareTo(default) > 0 && value.CompareTo(limit) > 0)
            {
                var path = OptionsSchema.Path($"variance:{limitKey}");
                report($"variance:{key}", string.Create(CultureInfo.InvariantCulture, $"must not be above {path}, which is {limit}"));
            }
        }
    }
}
