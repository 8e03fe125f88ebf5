using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>How accounts' messages, facts and snapshots look as JSON.</summary>
[JsonSerializable(typeof(ObserveAccount))]
[JsonSerializable(typeof(AccountObserved))]
[JsonSerializable(typeof(GetAccount))]
[JsonSerializable(typeof(AccountFound))]
[JsonSerializable(typeof(RenameAccount))]
[JsonSerializable(typeof(PinAccountStage))]
[JsonSerializable(typeof(AccountChanged))]
[JsonSerializable(typeof(MergeAccount))]
[JsonSerializable(typeof(TakePart))]
[JsonSerializable(typeof(PartTaken))]
[JsonSerializable(typeof(AccountFact.MergedInto))]
[JsonSerializable(typeof(AccountFact.PartSeen))]
[JsonSerializable(typeof(AccountFact.MemberSeen))]
[JsonSerializable(typeof(AccountFact.MemberErased))]
[JsonSerializable(typeof(ForgetMembers))]
[JsonSerializable(typeof(ForgetAccount))]
[JsonSerializable(typeof(AccountForgotten))]
[JsonSerializable(typeof(AccountFact.GroupSeen))]
[JsonSerializable(typeof(AccountFact.StageMoved))]
[JsonSerializable(typeof(AccountFact.NameGiven))]
[JsonSerializable(typeof(AccountState))]
internal sealed partial class AccountJson : JsonSerializerContext
{
    /// <summary>The one wire form; values look as in people's.</summary>
    public static AccountJson Wire { get; } = new(new JsonSerializerOptions
    {
        Converters = { new PersonJson.JsonValueConverter(), new PersonJson.NamedValuesConverter() },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = PersonJson.DepthMax,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    });
}
