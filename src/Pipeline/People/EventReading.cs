using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.People;

/// <summary>What one event says about its person, before anything is known of that person.</summary>
/// <param name="Refusal">PostHog's warning name if its rules drop the whole event; else null.</param>
/// <param name="MayCreate">True if a person is born when there is none.</param>
/// <param name="MayUpdate">True if an existing person's properties may change.</param>
/// <param name="WritesEveryChange">True for person events; see <see cref="PersonProperties.Winners"/>.</param>
/// <param name="Update">The update, automatic properties included.</param>
/// <param name="Merge">The merge asked for, if PostHog's rules do not stop it at once.</param>
/// <param name="Warnings">What follows from the event alone.</param>
public sealed record EventReading(
    string? Refusal,
    bool MayCreate,
    bool MayUpdate,
    bool WritesEveryChange,
    PropertyUpdate Update,
    MergeAsk? Merge,
    ImmutableArray<IngestionWarning> Warnings)
{
    /// <summary>The merge asked for, if one of its ids forbids it; else null.</summary>
    public BarredMerge? Barred { get; private init; }

    private const string Identify = "$identify";
    private const string CreateAlias = "$create_alias";
    private const string MergeDangerously = "$merge_dangerously";
    private const string ClientIngestionWarning = "$$client_ingestion_warning";

    /// <summary>Reads an event that has a distinct id.</summary>
    /// <param name="captured">The event.</param>
    /// <param name="blockedIds">Ids that a connection bars from merges, beside PostHog's illegal ones; null means
    /// none.</param>
    public static EventReading Of(CaptureEvent captured, IReadOnlySet<string>? blockedIds = null)
    {
        var scan = PropertyScan.Of(captured);
        var warnings = ImmutableArray.CreateBuilder<IngestionWarning>();
        Note(captured, warnings);
        if (Drop(captured, scan) is { } refusal)
        {
            warnings.Add(Warn(captured, refusal));
            var all = warnings.DrainToImmutable();
            return new EventReading(refusal, false, false, false, PropertyUpdate.None, null, all);
        }

        if (scan.ProfileFlag is ProfileFlag.Unreadable)
        {
            warnings.Add(Warn(captured, WarningTypes.InvalidProcessPersonProfile));
        }

        warnings.AddRange(GroupReading.FaultsOf(captured).Select(fault => Warn(captured, fault)));
        var touchesPersons = scan.ProfileFlag is not ProfileFlag.False && !IsAiEvent(captured.Event);
        var asked = touchesPersons ? Asked(captured, scan) : null;
        var barred = asked is { } ask ? Bar(captured, ask, blockedIds, warnings) : null;
        var update = touchesPersons && captured.Event is not "$groupidentify" ? scan.Update() : PropertyUpdate.None;
        return new EventReading(
            null,
            touchesPersons,
            touchesPersons && MayUpdateBy(captured.Event),
            WritesEveryChangeBy(captured.Event),
            update,
            barred is null ? asked : null,
            warnings.DrainToImmutable())
        {
            Barred = barred,
        };
    }

    /// <summary>The three events that may ask for a merge.</summary>
    internal static bool IsMergeEvent(string name) => name is Identify or CreateAlias or MergeDangerously;

    /// <summary>False for the events that may create a person and never change one.</summary>
    internal static bool MayUpdateBy(string name) => name is not ("$exception" or "$$heatmap");

    /// <summary>True for person events.</summary>
    internal static bool WritesEveryChangeBy(string name) => IsMergeEvent(name) || name is "$set";

    // In PostHog's order: the header, then mistyped ids, then the personless flag (posthog.md A2).
    private static string? Drop(CaptureEvent captured, PropertyScan scan)
    {
        if (MergeableIds.IsTooLong(captured.DistinctId))
        {
            return WarningTypes.SkippingEventInvalidDistinctId;
        }

        if (!IsMergeEvent(captured.Event))
        {
            return captured.Event is ClientIngestionWarning ? WarningTypes.ClientIngestionWarning : null;
        }

        return scan switch
        {
            { AnonDistinctId.IsMistyped: true } => WarningTypes.InvalidAnonDistinctId,
            { Alias.IsMistyped: true } => WarningTypes.InvalidAlias,
            { ProfileFlag: ProfileFlag.False } => WarningTypes.InvalidEventWhenPersonless,
            _ => null,
        };
    }

    // Step 1 of posthog.md A3: the same id asks for nothing.
    private static MergeAsk? Asked(CaptureEvent captured, PropertyScan scan)
    {
        var isAlone = captured.Notes.HasFlag(CaptureNotes.OtherIdErased);
        return Named(captured, scan) is { } ask && (ask.SourceId != ask.TargetId || isAlone) ? ask : null;
    }

    // Step 2: an unmergeable id makes an ordinary event of it, with a warning.
    private static BarredMerge? Bar(
        CaptureEvent captured,
        MergeAsk ask,
        IReadOnlySet<string>? blockedIds,
        ImmutableArray<IngestionWarning>.Builder warnings)
    {
        foreach (var (id, other) in (ReadOnlySpan<(string, string)>)
            [(ask.TargetId, ask.SourceId), (ask.SourceId, ask.TargetId)])
        {
            if (Bar(id, blockedIds) is var (reason, type))
            {
                warnings.Add(new IngestionWarning(
                    type,
                    JsonText.Object(
                        ("illegalDistinctId", id),
                        ("otherDistinctId", other),
                        ("distinctId", captured.DistinctId),
                        ("eventUuid", captured.Uuid.ToString()))));
                return new BarredMerge(ask, reason);
            }
        }

        return null;
    }

    private static (RefusalReason Reason, string Type)? Bar(string id, IReadOnlySet<string>? blockedIds)
    {
        if (!MergeableIds.Contains(id))
        {
            return (RefusalReason.IllegalId, WarningTypes.CannotMergeWithIllegalDistinctId);
        }

        return blockedIds?.Contains(id) is true
            ? (RefusalReason.BlockedId, WarningTypes.GuardBlockedDistinctId)
            : null;
    }

    private static MergeAsk? Named(CaptureEvent captured, PropertyScan scan) => captured.Event switch
    {
        Identify when captured.Notes.HasFlag(CaptureNotes.OtherIdErased) =>
            new MergeAsk(MergeKind.Identify, captured.DistinctId, captured.DistinctId),
        Identify when scan.AnonDistinctId.IsThere =>
            new MergeAsk(MergeKind.Identify, scan.AnonDistinctId.Text ?? "null", captured.DistinctId),
        CreateAlias when scan.Alias.Text is { Length: > 0 } alias =>
            new MergeAsk(MergeKind.Alias, alias, captured.DistinctId),
        MergeDangerously when scan.Alias.Text is { Length: > 0 } alias =>
            new MergeAsk(MergeKind.Dangerous, alias, captured.DistinctId),
        _ => null,
    };

    private static void Note(CaptureEvent captured, ImmutableArray<IngestionWarning>.Builder warnings)
    {
        if (captured.Notes.HasFlag(CaptureNotes.DistinctIdTruncated))
        {
            warnings.Add(Warn(captured, WarningTypes.DistinctIdTruncated));
        }

        if (captured.Notes.HasFlag(CaptureNotes.TimestampInvalid))
        {
            warnings.Add(Warn(captured, WarningTypes.IgnoredInvalidTimestamp));
        }
    }

    private static IngestionWarning Warn(CaptureEvent captured, string type) => new(
        type,
        JsonText.Object(
            ("distinctId", captured.DistinctId),
            ("eventUuid", captured.Uuid.ToString()),
            ("event", captured.Event)));

    // PostHog's AI lane only reads persons.
    private static bool IsAiEvent(string name) => name.StartsWith("$ai_", StringComparison.Ordinal);
}
