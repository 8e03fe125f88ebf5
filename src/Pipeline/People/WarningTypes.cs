namespace VarianceActors.Pipeline.People;

/// <summary>PostHog's names of the ingestion warnings that persons give (posthog.md A11), and ours for our own
/// guards.</summary>
public static class WarningTypes
{
    /// <summary>The event is over the limit of one event; it is dropped, and nothing of its content is read.</summary>
    public const string MessageSizeTooLarge = "message_size_too_large";

    /// <summary>The source is identified and the event is not <c>$merge_dangerously</c>.</summary>
    public const string CannotMergeAlreadyIdentified = "cannot_merge_already_identified";

    /// <summary>Posthog.md A5.</summary>
    public const string CannotMergeWithIllegalDistinctId = "cannot_merge_with_illegal_distinct_id";

    /// <summary>Ours: the source is identified, the target is new, and the connection keeps such ids apart.</summary>
    public const string GuardAttachToIdentified = "guard_attach_to_identified";

    /// <summary>Ours: the person would have more distinct ids than the connection allows.</summary>
    public const string GuardTooManyDistinctIds = "guard_too_many_distinct_ids";

    /// <summary>Ours: the two persons' e-mail addresses are of different companies.</summary>
    public const string GuardOtherWorkDomain = "guard_other_work_domain";

    /// <summary>Ours: the connection bars the id from merges.</summary>
    public const string GuardBlockedDistinctId = "guard_blocked_distinct_id";

    /// <summary>Ours: a merge of the two ids was taken back by hand.</summary>
    public const string MergeUndoneBefore = "merge_undone_before";

    /// <summary>The event is dropped.</summary>
    public const string InvalidAnonDistinctId = "invalid_anon_distinct_id";

    /// <summary>The event is dropped.</summary>
    public const string InvalidAlias = "invalid_alias";

    /// <summary>The event is dropped.</summary>
    public const string SkippingEventInvalidDistinctId = "skipping_event_invalid_distinct_id";

    /// <summary>The event is dropped: a merge event that asks for no person.</summary>
    public const string InvalidEventWhenPersonless = "invalid_event_when_process_person_profile_is_false";

    /// <summary>An SDK's own warning, which it sends as an event; the event is dropped.</summary>
    public const string ClientIngestionWarning = "client_ingestion_warning";

    /// <summary>The group's key is longer than 400 characters: the group is not known by it.</summary>
    public const string GroupKeyTooLong = "group_key_too_long";

    /// <summary>The group's properties are no object: none of them is taken.</summary>
    public const string InvalidGroupSet = "invalid_group_set";

    /// <summary>Ours: the group's properties are more than an account holds: none of them is taken.</summary>
    public const string GroupPropertiesSizeViolation = "group_properties_size_violation";

    /// <summary>The flag counts as true.</summary>
    public const string InvalidProcessPersonProfile = "invalid_process_person_profile";

    /// <summary>The door cut the id.</summary>
    public const string DistinctIdTruncated = "distinct_id_truncated";

    /// <summary>The door took the time of receipt.</summary>
    public const string IgnoredInvalidTimestamp = "ignored_invalid_timestamp";

    /// <summary>The update is rejected.</summary>
    public const string PersonPropertiesSizeViolation = "person_properties_size_violation";
}
