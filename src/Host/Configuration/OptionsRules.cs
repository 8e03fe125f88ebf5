using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Host.Configuration;

/// <summary>Rules that need more than one key, and the shapes of texts.</summary>
internal static class OptionsRules
{
    private const int SecretCharactersMin = 16;

    /// <summary>Reports every broken rule, by key with colons. No message holds the value of a secret.</summary>
    public static void Check(PipelineOptions options, Action<string, string> report)
    {
        CheckSecret("variance:admin-key", options.AdminKey, report);
        if (string.IsNullOrWhiteSpace(options.DataDir))
        {
            report("variance:data-dir", "is empty; give a directory");
        }

        CheckPostgres(options, report);
        ClusterRules.Check(options, report);
        CheckSizes(options, report);
        ConnectionRules.Check(options.Connections, report);
    }

    /// <summary>A secret is empty, or long enough and fit for a header.</summary>
    public static void CheckSecret(string key, string secret, Action<string, string> report)
    {
        if (secret.Length is > 0 and < SecretCharactersMin)
        {
            report(key, $"is shorter than {SecretCharactersMin} characters; make one with: openssl rand -hex 24");
        }
        else if (!secret.All(c => c is > ' ' and <= '~'))
        {
            report(key, "has characters that do not fit into a header; give visible ASCII characters without spaces");
        }
    }

    /// <summary>The text may hold a password, so nothing of it is shown.</summary>
    private static void CheckPostgres(PipelineOptions options, Action<string, string> report)
    {
        const string Key = "variance:postgres:connection-string";
        var text = options.Postgres.ConnectionString;
        if (options.Store == StoreKind.Postgres && string.IsNullOrWhiteSpace(text))
        {
            report(Key, "is empty; give one such as \"Host=db;Database=variance;Username=variance\"");
        }
        else if (!PostgresAddress.IsComplete(text))
        {
            report(Key, "is no connection string with Host, Database and Username");
        }

        if (options.Postgres.PasswordFile is { Length: > 0 } file && !File.Exists(file))
        {
            report("variance:postgres:password-file", "is not there");
        }
    }

    private static void CheckSizes(PipelineOptions options, Action<string, string> report)
    {
        var (sources, inbox, retry) = (options.Sources, options.Inbox, options.Delivery.Retry);
        NotInflated("body-bytes-max", sources.BodyBytesMax);
        NotInflated("event-body-bytes-max", sources.EventBodyBytesMax);
        NotInflated("webhook-body-bytes-max", sources.WebhookBodyBytesMax);
        NotInflated("event-bytes-max", sources.EventBytesMax);
        NotAbove("sources:events-max", sources.EventsMax, "inbox:queue-events-max", inbox.QueueEventsMax);
        NotAbove("inbox:commit-events-max", inbox.CommitEventsMax, "inbox:queue-events-max", inbox.QueueEventsMax);
        NotAbove("retention:outbox", options.Retention.Outbox, "retention:ledger", options.Retention.Ledger);
        NotAbove("delivery:attempt-timeout", options.Delivery.AttemptTimeout, "delivery:deadline", options.Delivery.Deadline);
        NotAbove(
            "postgres:lock-timeout",
            options.Postgres.LockTimeout,
            "postgres:statement-timeout",
            options.Postgres.StatementTimeout);
        NotAbove(
            "delivery:breaker:probe-first",
            options.Delivery.Breaker.ProbeFirst,
            "delivery:breaker:probe-max",
            options.Delivery.Breaker.ProbeMax);
        NotAbove("delivery:retry:delay-first", retry.DelayFirst, "delivery:retry:delay-max", retry.DelayMax);
        NotAbove("delivery:retry:delay-max", retry.DelayMax, "delivery:retry:budget", retry.Budget);

        void NotInflated(string name, int value) =>
            NotAbove($"sources:{name}", value, "sources:inflated-bytes-max", sources.InflatedBytesMax);

        void NotAbove<T>(string key, T value, string limitKey, T limit)
            where T : struct, IComparable<T>
        {
            // A limit that could not be read is zero here, and has its own fault.
            if (limit.CompareTo(default) > 0 && value.CompareTo(limit) > 0)
            {
                var path = OptionsSchema.Path($"variance:{limitKey}");
                report($"variance:{key}", $"must not be above {path}, which is {limit}");
            }
        }
    }
}
