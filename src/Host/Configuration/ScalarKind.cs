using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Numerics;
using System.Reflection;

namespace VarianceActors.Host.Configuration;

/// <summary>How the text of one kind of value is read, and how it is called.</summary>
/// <param name="Name">What the value is, such as "a duration".</param>
/// <param name="Expected">The same with its unit and range.</param>
/// <param name="Parse">The value, or null if the text is something else.</param>
internal sealed record ScalarKind(string Name, string Expected, Func<string, object?> Parse)
{
    /// <summary>The kind of a property.</summary>
    public static ScalarKind Of(PropertyInfo property)
    {
        var type = property.PropertyType;
        var range = property.GetCustomAttribute<RangeAttribute>();
        return type switch
        {
            _ when type == typeof(string) => new ScalarKind("text", "text", text => text),
            _ when type == typeof(bool) => new ScalarKind("on or off", "on or off", text => ParseBoolean(text)),
            _ when type == typeof(int) => Number(property, range),
            _ when type == typeof(TimeSpan) =>
                new("a duration", $"\"hh:mm:ss\" or \"d.hh:mm:ss\"{Limits(range)}", text => ParseDuration(text)),
            _ when type.IsEnum => Word(type),
            _ => throw new NotSupportedException($"No key has the type of {property.DeclaringType}.{property.Name}."),
        };
    }

    private static ScalarKind Number(PropertyInfo property, RangeAttribute? range)
    {
        var unit = property.Name.Contains("Bytes", StringComparison.Ordinal) ? " of bytes" : "";
        return new ScalarKind("a whole number", $"a whole number{unit}{Limits(range)}", text => ParseNumber(text));
    }

    private static ScalarKind Word(Type type)
    {
        var words = Enum.GetValues(type).Cast<object>()
            .ToDictionary(value => OptionsSchema.Kebab(value.ToString()!), StringComparer.OrdinalIgnoreCase);
        return new("known here", string.Join(" or ", words.Keys), text => words.GetValueOrDefault(text.Trim()));
    }

    private static string Limits(RangeAttribute? range) =>
        range is null ? "" : $" from {range.Minimum} to {range.Maximum}";

    /// <summary>Too large a number is still a number: it comes back as one that no range holds.</summary>
    private static int? ParseNumber(string text) =>
        BigInteger.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number)
            ? (int)BigInteger.Clamp(number, int.MinValue, int.MaxValue)
            : null;

    /// <summary>A lone number, which .NET takes for days, is no duration here.</summary>
    private static TimeSpan? ParseDuration(string text) =>
        text.Contains(':') && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var duration) ? duration : null;

    private static bool? ParseBoolean(string text) => text.Trim().ToLowerInvariant() switch
    {
        "on" or "yes" or "true" => true,
        "off" or "no" or "false" => false,
        _ => null,
    };
}
