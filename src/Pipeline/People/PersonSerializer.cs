using System.Text.Json.Serialization.Metadata;
using Akka.Actor;

namespace VarianceActors.Pipeline.People;

/// <summary>Everything of people that crosses a node or enters the journal. Manifests are for ever: a change of
/// meaning is
/// a new type with a new manifest.</summary>
public sealed class PersonSerializer(ExtendedActorSystem system) : ManifestSerializer(system, Table)
{
    /// <summary>This serializer's number, in every journal.</summary>
    public const int Id = 7_301;

    private static readonly ManifestTable Table = new(new Dictionary<string, JsonTypeInfo>
    {
        ["person.apply-events.v1"] = PersonJson.Wire.ApplyEvents,
        ["person.events-applied.v1"] = PersonJson.Wire.EventsApplied,
        ["person.get-person.v1"] = PersonJson.Wire.GetPerson,
        ["person.person-found.v1"] = PersonJson.Wire.PersonFound,
        ["person.person-not-found.v1"] = PersonJson.Wire.PersonNotFound,
        ["person.get-history.v1"] = PersonJson.Wire.GetHistory,
        ["person.history-found.v1"] = PersonJson.Wire.HistoryFound,
        ["person.tell-account.v1"] = PersonJson.Wire.TellAccount,
        ["person.account-told.v1"] = PersonJson.Wire.AccountTold,
        ["person.pin-contact-stage.v1"] = PersonJson.Wire.PinContactStage,
        ["person.stage-pinned.v1"] = PersonJson.Wire.StagePinned,
        ["person.look-again.v1"] = PersonJson.Wire.LookAgain,
        ["person.window-ended.v1"] = PersonJson.Wire.WindowEnded,
        ["person.split-person.v1"] = PersonJson.Wire.SplitPerson,
        ["person.split-answered.v1"] = PersonJson.Wire.SplitAnswered,
        ["person.split.v1"] = PersonJson.Wire.Split,
        ["person.rewritten.v1"] = PersonJson.Wire.Rewritten,
        ["person.forget-home.v1"] = PersonJson.Wire.ForgetHome,
        ["person.home-forgotten.v1"] = PersonJson.Wire.HomeForgotten,
        ["person.rewrite-home.v1"] = PersonJson.Wire.RewriteHome,
        ["person.home-rewritten.v1"] = PersonJson.Wire.HomeRewritten,
        ["person.unite.v1"] = PersonJson.Wire.Unite,
        ["person.absorb.v1"] = PersonJson.Wire.Absorb,
        ["person.seal-absorbed.v1"] = PersonJson.Wire.SealAbsorbed,
        ["person.seal-refused.v1"] = PersonJson.Wire.SealRefused,
        ["person.shorten-path.v1"] = PersonJson.Wire.ShortenPath,
        ["person.resume-merge.v1"] = PersonJson.Wire.ResumeMerge,
        ["person.event-applied.v1"] = PersonJson.Wire.EventApplied,
        ["person.merge-asked.v1"] = PersonJson.Wire.MergeAsked,
        ["person.merge-ended.v1"] = PersonJson.Wire.MergeEnded,
        ["person.sealed.v1"] = PersonJson.Wire.Sealed,
        ["person.unsealed.v1"] = PersonJson.Wire.Unsealed,
        ["person.linked.v1"] = PersonJson.Wire.Linked,
        ["person.absorbed.v1"] = PersonJson.Wire.Absorbed,
        ["person.account-redirected.v1"] = PersonJson.Wire.AccountRedirected,
        ["person.absorb-refused.v1"] = PersonJson.Wire.AbsorbRefused,
        ["person.state.v1"] = PersonJson.Wire.PersonState,
    });

    /// <summary>Every type with a manifest.</summary>
    public static IReadOnlyDictionary<Type, string> Manifests => Table.ByType;

    /// <inheritdoc />
    public override int Identifier => Id;

}
