using System.Data.Common;
using System.Globalization;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Everything that is said to the table of connections' states.</summary>
internal static class ConnectionStatements
{
    private static readonly Statement Upsert = new("""
        INSERT INTO connection_state (connection, mode, reason, since, probe_delay, probe_at, skip_mode, skip_before, rate_set,
            per_second, burst, configured_per_second, configured_burst, hold_until, skip_below, version)
        VALUES (@connection, @mode, @reason, @since, @probe_delay, @probe_at, @skip_mode, @skip_before, @rate_set,
            @per_second, @burst, @configured_per_second, @configured_burst, @hold_until, @skip_below, @version)
        ON CONFLICT (connection) DO UPDATE SET mode = excluded.mode, reason = excluded.reason, since = excluded.since,
            probe_delay = excluded.probe_delay, probe_at = excluded.probe_at, skip_mode = excluded.skip_mode,
            skip_before = excluded.skip_before, rate_set = excluded.rate_set, per_second = excluded.per_second,
            burst = excluded.burst, configured_per_second = excluded.configured_per_second,
            configured_burst = excluded.configured_burst, hold_until = excluded.hold_until,
            skip_below = excluded.skip_below, version = excluded.version
        WHERE connection_state.version = excluded.version - 1
        """);

    private static readonly Statement Select = new("""
        SELECT mode, reason, since, probe_delay, probe_at, skip_mode, skip_before, rate_set, per_second, burst,
            configured_per_second, configured_burst, hold_until, version, skip_below
        FROM connection_state WHERE connection = @connection
        """);

    private static readonly Statement SelectMode = new("SELECT mode FROM connection_state WHERE connection = @connection");

    /// <summary>Whether what waits for the connection is kept back: it is paused, or its breaker is open.</summary>
    public static bool IsParked(Session session, int connection) =>
        session.Scalar(SelectMode, connection) is { } mode
        && (DeliveryMode)Convert.ToInt32(mode, CultureInfo.InvariantCulture) != DeliveryMode.Running;

    /// <summary>Keeps the state of a connection's gate, as the next version after the one that was read or written before.</summary>
    /// <exception cref="FencedException">The row has not that version: another copy of the gate lives.</exception>
    public static void Write(Session session, int connection, long version, GateState state, Rate configured)
    {
        if (Put(session, connection, version + 1, state, configured) == 0)
        {
            throw new FencedException($"The state of connection {connection} was written by somebody else.");
        }
    }

    /// <summary>The state of a connection's gate and its version; null and 0 if none was ever kept. A rate that was set by hand
    /// is forgotten when the configured one is another than at that time.</summary>
    public static (GateState? State, long Version) Read(Session session, int connection, Rate configured) => session.Query(
        Select, row => (ReadState(row, configured), row.GetInt64(13)), connection) is [var found] ? found : (null, 0);

    private static int Put(Session session, int connection, long version, GateState state, Rate configured) => session.Execute(
        Upsert,
        connection,
        (int)state.Mode,
        state.Reason,
        state.Since.ToUnixTimeMilliseconds(),
        (long)state.ProbeDelay.TotalMilliseconds,
        state.ProbeAt?.ToUnixTimeMilliseconds(),
        (int)state.SkipMode,
        state.SkipBefore.ToUnixTimeMilliseconds(),
        state.RateByHand is null ? 0 : 1,
        state.RateByHand?.PerSecond ?? 0,
        state.RateByHand?.Burst ?? 0,
        configured.PerSecond,
        configured.Burst,
        state.HoldUntil is { } until ? until.AddTicks(TimeSpan.TicksPerMillisecond - 1).ToUnixTimeMilliseconds() : null,
        state.SkipBelow.IsEmpty ? null : string.Join(' ', state.SkipBelow),
        version);

    private static GateState ReadState(DbDataReader row, Rate configured) => new(
        (DeliveryMode)row.GetInt32(0),
        row.GetString(1),
        Time(row.GetInt64(2)),
        TimeSpan.FromMilliseconds(row.GetInt64(3)),
        row.IsDBNull(4) ? null : Time(row.GetInt64(4)),
        (ResumeMode)row.GetInt32(5),
        Time(row.GetInt64(6)),
        row.GetInt32(7) == 1 && configured == new Rate(row.GetInt32(10), row.GetInt32(11))
            ? new Rate(row.GetInt32(8), row.GetInt32(9))
            : null)
    {
        HoldUntil = row.IsDBNull(12) ? null : Time(row.GetInt64(12)),
        SkipBelow = row.IsDBNull(14)
            ? []
            : [.. row.GetString(14).Split(' ').Select(position => long.Parse(position, CultureInfo.InvariantCulture))],
    };

    private static DateTimeOffset Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
}
