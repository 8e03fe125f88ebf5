using System.Globalization;
using System.Text;

namespace VarianceActors.Host.Http;

/// <summary>Lines of CSV (RFC 4180). A field that a spreadsheet would take for a formula gets an apostrophe before it: traits
/// come from anybody.</summary>
internal static class CsvRows
{
    private const string Formulas = "=+-@\t\r\n";

    /// <summary>One line with its end.</summary>
    public static string Line(params ReadOnlySpan<object?> fields)
    {
        var line = new StringBuilder();
        for (var place = 0; place < fields.Length; place++)
        {
            line.Append(place == 0 ? "" : ",").Append(Field(fields[place]));
        }

        return line.Append("\r\n").ToString();
    }

    private static string Field(object? value) => value switch
    {
        null => "",
        DateTimeOffset time => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture),
        string text => Quoted(text.Length > 0 && Formulas.Contains(text[0], StringComparison.Ordinal) ? "'" + text : text),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => Quoted(value.ToString()!),
    };

    private static string Quoted(string text) => text.AsSpan().IndexOfAny("\",\r\n") < 0
        ? text
        : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
