using System.Buffers;
using System.Globalization;
using System.Text;

namespace VarianceActors.Host.Configuration;

/// <summary>
/// Reads the part of HOCON that a configuration of flat values needs: blocks, dotted keys, texts, lists of texts and
/// comments. Substitution, concatenation, <c>include</c> and <c>+=</c> are refused with a line. Akka's own parser is
/// not for files of users: it never comes back from an unclosed list, accepts unclosed blocks, and names no lines.
/// </summary>
internal sealed class HoconReader
{
    private const int DepthMax = 32;
    private const char End = '\0';
    private static readonly SearchValues<char> Special = SearchValues.Create("\"'{[=:$+`^?!@*&\\");
    private readonly string _text;
    private readonly string _name;
    private readonly OrderedDictionary<string, Setting> _settings = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _blocks = new(StringComparer.OrdinalIgnoreCase);
    private int _at;
    private int _line = 1;
    private int _depth;

    private HoconReader(string text, string name) => (_text, _name) = (text, name);

    private char Here => Peek(0);

    /// <summary>The settings in the order of the text; of a key written twice the last one.</summary>
    /// <exception cref="HoconException">The text is something else.</exception>
    public static IReadOnlyCollection<Setting> Read(string text, string name)
    {
        var reader = new HoconReader(text, name);
        if (text.Contains(End))
        {
            throw new HoconException(1, "there is a NUL character in the text");
        }

        reader.Document();
        return reader._settings.Values;
    }

    private void Document()
    {
        SkipBlank();
        if (Here == '{')
        {
            Block("");
            SkipBlank();
            Require(Here == End, "there is text after the closing }; remove it or move it inside");
        }
        else
        {
            Members("");
            Require(Here == End, "this } closes nothing; remove it");
        }
    }

    private void Block(string key)
    {
        var opened = _line;
        Require(++_depth <= DepthMax, $"blocks are nested more than {DepthMax} deep");
        Advance();
        Members(key);
        Require(Here == '}', "the block that opens here is not closed; add a }", opened);
        Advance();
        _depth--;
        if (key.Length > 0 && _blocks.Add(key))
        {
            _settings[key] = new Setting(key, null, Place(opened));
        }
    }

    private void Members(string block)
    {
        for (SkipBlank(commas: true); Here is not (End or '}'); SkipBlank(commas: true))
        {
            var line = _line;
            var name = Key();
            Require(name.Length > 0, "a key is expected here: letters, digits and -, or text in double quotes", line);
            Member(block.Length == 0 ? name : $"{block}:{name}", line);
            RequireEndOfValue();
        }
    }

    private string Key()
    {
        if (Here == '"')
        {
            return Quoted();
        }

        var start = _at;
        while (char.IsAsciiLetterOrDigit(Here) || Here is '-' or '_' or '.')
        {
            Advance();
        }

        return _text[start.._at].Replace('.', ':');
    }

    private void Member(string key, int line)
    {
        SkipSpaces();
        Require(Here is '{' or '=' or ':', "after a key there must be = or {");
        if (Here != '{')
        {
            Advance();
            SkipBlank();
        }

        switch (Here)
        {
            case '{':
                Block(key);
                break;
            case '[':
                List(key, line);
                break;
            default:
                Assign(key, Value(), line);
                break;
        }
    }

    private void List(string key, int line)
    {
        var opened = _line;
        var count = 0;
        Assign(key, "", line);
        Advance();
        for (SkipBlank(commas: true); Here != ']'; SkipBlank(commas: true))
        {
            Require(Here is not (End or '}'), "the list that opens here is not closed; add a ]", opened);
            Require(Here is not ('[' or '{'), "a list holds texts only");
            Assign($"{key}:{(count++).ToString(CultureInfo.InvariantCulture)}", Value(), line);
            RequireEndOfValue();
        }

        Advance();
    }

    private string Value() => Here == '"' ? Quoted() : Unquoted();

    private string Quoted()
    {
        var opened = _line;
        var raw = _text.AsSpan(_at).StartsWith("\"\"\"");
        var fence = raw ? "\"\"\"" : "\"";
        var value = new StringBuilder();
        for (Advance(fence.Length); !_text.AsSpan(_at).StartsWith(fence); Advance())
        {
            var closed = Here != End && (raw || Here != '\n');
            Require(closed, "the text that opens here is not closed; add a double quote", opened);
            value.Append(Here == '\\' && !raw ? Escaped() : Here);
        }

        Advance(fence.Length);
        return value.ToString();
    }

    private char Escaped()
    {
        Advance();
        if (Here == 'u')
        {
            var hex = _text.AsSpan(_at + 1, Math.Min(4, _text.Length - _at - 1));
            const NumberStyles Hex = NumberStyles.AllowHexSpecifier;
            var valid = ushort.TryParse(hex, Hex, CultureInfo.InvariantCulture, out var unit) && hex.Length == 4;
            Require(valid, "after \\u there must be four hexadecimal digits");
            Advance(4);
            return (char)unit;
        }

        var escaped = "\"\\/bfnrt".IndexOf(Here, StringComparison.Ordinal);
        Require(escaped >= 0, "after \\ there must be one of \" \\ / b f n r t u; write \\\\ for one backslash");
        return "\"\\/\b\f\n\r\t"[escaped];
    }

    private string Unquoted()
    {
        var start = _at;
        var substitution = Here == '$' && Peek(1) == '{';
        Require(!substitution, "${...} is not replaced here; leave the key out and set its variable VARIANCE__...");
        while (!IsEndOfValue())
        {
            Require(!Special.Contains(Here), "a value with special characters must be in double quotes");
            Advance();
        }

        var value = _text[start.._at].Trim();
        Require(value.Length > 0, "the value is missing; write \"\" for an empty one");
        return value == "null" ? "" : value;
    }

    /// <summary>A value replaces what was said of the same key before, be it a value, a list or a block.</summary>
    private void Assign(string key, string value, int line)
    {
        if (_blocks.Remove(key))
        {
            foreach (var below in _settings.Keys.Where(known => IsBelow(known, key)).ToArray())
            {
                _settings.Remove(below);
            }
        }

        for (var end = key.LastIndexOf(':'); end > 0; end = key.LastIndexOf(':', end - 1))
        {
            if (_blocks.Add(key[..end]))
            {
                _settings.Remove(key[..end]);
            }
        }

        _settings[key] = new Setting(key, value, Place(line));
    }

    private static bool IsBelow(string candidate, string key) =>
        candidate.Length > key.Length
        && candidate[key.Length] == ':'
        && candidate.StartsWith(key, StringComparison.OrdinalIgnoreCase);

    private void RequireEndOfValue()
    {
        SkipSpaces();
        Require(
            IsEndOfValue(),
            "there is text after the value; put the whole value in double quotes, or the next key on its own line");
    }

    private bool IsEndOfValue() => Here is End or '\n' or ',' or '}' or ']' || IsComment();

    private bool IsComment() => Here == '#' || (Here == '/' && Peek(1) == '/');

    private string Place(int line) => string.Create(CultureInfo.InvariantCulture, $"{_name}:{line}");

    private void Require(bool condition, string message, int? line = null)
    {
        if (!condition)
        {
            throw new HoconException(line ?? _line, message);
        }
    }

    private char Peek(int ahead) => _at + ahead < _text.Length ? _text[_at + ahead] : End;

    private void Advance(int count = 1)
    {
        for (var i = 0; i < count && _at < _text.Length; i++)
        {
            _line += _text[_at++] == '\n' ? 1 : 0;
        }
    }

    private void SkipSpaces()
    {
        while (Here is ' ' or '\t' or '\r')
        {
            Advance();
        }
    }

    private void SkipBlank(bool commas = false)
    {
        while (char.IsWhiteSpace(Here) || Here == '\uFEFF' || (commas && Here == ',') || IsComment())
        {
            var comment = IsComment();
            do
            {
                Advance();
            }
            while (comment && Here is not ('\n' or End));
        }
    }
}

/// <summary>The text is not HOCON as read here. The message quotes nothing of it: it may hold secrets.</summary>
internal sealed class HoconException(int line, string message) : Exception(message)
{
    /// <summary>Where, counted from 1.</summary>
    public int Line { get; } = line;
}
