using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace VarianceActors.Pipeline.People;

/// <summary>How people's messages, facts and snapshots look as JSON.</summary>
[JsonSerializable(typeof(ApplyEvents))]
[JsonSerializable(typeof(EventsApplied))]
[JsonSerializable(typeof(GetPerson))]
[JsonSerializable(typeof(PersonFound))]
[JsonSerializable(typeof(PersonNotFound))]
[JsonSerializable(typeof(GetHistory))]
[JsonSerializable(typeof(HistoryFound))]
[JsonSerializable(typeof(TellAccount))]
[JsonSerializable(typeof(AccountTold))]
[JsonSerializable(typeof(PinContactStage))]
[JsonSerializable(typeof(PersonFact.StagePinned))]
[JsonSerializable(typeof(LookAgain))]
[JsonSerializable(typeof(PersonFact.WindowEnded))]
[JsonSerializable(typeof(SplitPerson))]
[JsonSerializable(typeof(SplitAnswered))]
[JsonSerializable(typeof(PersonFact.Split))]
[JsonSerializable(typeof(PersonFact.Rewritten))]
[JsonSerializable(typeof(ForgetHome))]
[JsonSerializable(typeof(HomeForgotten))]
[JsonSerializable(typeof(RewriteHome))]
[JsonSerializable(typeof(HomeRewritten))]
[JsonSerializable(typeof(Unite))]
[JsonSerializable(typeof(Absorb))]
[JsonSerializable(typeof(SealAbsorbed))]
[JsonSerializable(typeof(SealRefused))]
[JsonSerializable(typeof(ShortenPath))]
[JsonSerializable(typeof(ResumeMerge))]
[JsonSerializable(typeof(PersonFact.EventApplied))]
[JsonSerializable(typeof(PersonFact.MergeAsked))]
[JsonSerializable(typeof(PersonFact.MergeEnded))]
[JsonSerializable(typeof(PersonFact.Sealed))]
[JsonSerializable(typeof(PersonFact.Unsealed))]
[JsonSerializable(typeof(PersonFact.Linked))]
[JsonSerializable(typeof(PersonFact.Absorbed))]
[JsonSerializable(typeof(PersonFact.AccountRedirected))]
[JsonSerializable(typeof(PersonFact.AbsorbRefused))]
[JsonSerializable(typeof(PersonState))]
[JsonSerializable(typeof(string))]
internal sealed partial class PersonJson : JsonSerializerContext
{
    // Property values may be 64 levels deep by themselves, inside a snapshot inside a fact.
    internal const int DepthMax = 128;

    /// <summary>The one wire form.</summary>
    public static PersonJson Wire { get; } = new(new JsonSerializerOptions
    {
        Converters = { new JsonValueConverter(), new NamedValuesConverter() },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = DepthMax,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    });

    internal sealed class JsonValueConverter : JsonConverter<JsonValue>
    {
        public override JsonValue Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            JsonText.Read(ref reader);

        public override void Write(Utf8JsonWriter writer, JsonValue value, JsonSerializerOptions options) =>
            writer.WriteRawValue(value.Json, skipInputValidation: true);
    }

    // An object, in order: a fact's winners count through it.
    internal sealed class NamedValuesConverter : JsonConverter<ImmutableArray<NamedValue>>
    {
        public override ImmutableArray<NamedValue> Read(
            ref Utf8JsonReader reader,
            Type type,
            JsonSerializerOptions options)
        {
            var values = ImmutableArray.CreateBuilder<NamedValue>();
            while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
            {
                var name = reader.GetString()!;
                reader.Read();
                values.Add(new NamedValue(name, JsonText.Read(ref reader)));
            }

            return values.DrainToImmutable();
        }

        public override void Write(
            Utf8JsonWriter writer,
            ImmutableArray<NamedValue> values,
            JsonSerializerOptions options)
        {
            writer.WriteStartObject();
            foreach (var (name, value) in values)
            {
                writer.WritePropertyName(name);
                writer.WriteRawValue(value.Json, skipInputValidation: true);
            }

            writer.WriteEndObject();
        }
    }
}
