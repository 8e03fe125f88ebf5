using System.Text.Json.Serialization.Metadata;
using Akka.Actor;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>Everything of accounts that crosses a node or enters the journal. Manifests are for ever: a change of
/// meaning is a new type with a new manifest.</summary>
public sealed class AccountSerializer(ExtendedActorSystem system) : ManifestSerializer(system, Table)
{
    /// <summary>This serializer's number, in every journal.</summary>
    public const int Id = 7_501;

    private static readonly ManifestTable Table = new(new Dictionary<string, JsonTypeInfo>
    {
        ["account.observe.v1"] = AccountJson.Wire.ObserveAccount,
        ["account.observed.v1"] = AccountJson.Wire.AccountObserved,
        ["account.get.v1"] = AccountJson.Wire.GetAccount,
        ["account.found.v1"] = AccountJson.Wire.AccountFound,
        ["account.rename.v1"] = AccountJson.Wire.RenameAccount,
        ["account.pin-stage.v1"] = AccountJson.Wire.PinAccountStage,
        ["account.changed.v1"] = AccountJson.Wire.AccountChanged,
        ["account.merge.v1"] = AccountJson.Wire.MergeAccount,
        ["account.take-part.v1"] = AccountJson.Wire.TakePart,
        ["account.part-taken.v1"] = AccountJson.Wire.PartTaken,
        ["account.merged-into.v1"] = AccountJson.Wire.MergedInto,
        ["account.part-seen.v1"] = AccountJson.Wire.PartSeen,
        ["account.member-seen.v1"] = AccountJson.Wire.MemberSeen,
        ["account.member-erased.v1"] = AccountJson.Wire.MemberErased,
        ["account.forget-members.v1"] = AccountJson.Wire.ForgetMembers,
        ["account.forget.v1"] = AccountJson.Wire.ForgetAccount,
        ["account.forgotten.v1"] = AccountJson.Wire.AccountForgotten,
        ["account.group-seen.v1"] = AccountJson.Wire.GroupSeen,
        ["account.stage-moved.v1"] = AccountJson.Wire.StageMoved,
        ["account.name-given.v1"] = AccountJson.Wire.NameGiven,
        ["account.state.v1"] = AccountJson.Wire.AccountState,
    });

    /// <summary>Every type with a manifest.</summary>
    public static IReadOnlyDictionary<Type, string> Manifests => Table.ByType;

    /// <inheritdoc />
    public override int Identifier => Id;

}
