using System.Collections.Immutable;

namespace VarianceActors.Host.Configuration;

/// <summary>
/// Checks HOCON before Akka's parser reads it. That parser accepts unclosed blocks and keys without a value, never comes
/// back from an unclosed list, and names no lines. What passes here means the same to it; concatenation, <c>include</c>
/// and <c>+=</c> do not pass, since a configuration of flat values needs none of them.
/// </summary>
internal sealed class HoconSyntax
{
    private const int DepthMax = 32;
    private const char End = '\0';
    private readonly string _text;
    private readonly Dictionary<string, int> _lines = new(StringComparer.OrdinalIgnoreCase);
    private readonly Stack<string> _path = new();
    private int _at;
    private int _line = 1;

    private HoconSyntax(string text) => _text = text;

    private char Here => Peek(0);

    /// <summary>The line of every key (paths with colons), or the first error and its line.</summary>
    public static HoconCheck Check(string text)
    {
        var syntax = new HoconSyntax(text);
        var error = text.Contains(End) ? "there is a NUL character in the text" : syntax.Document();
        return new HoconCheck(syntax._lines.ToImmutableDictionary(StringComparer.OrdinalIgnoreCase), error, syntax._line);
    }

    private string? Document()
    {
        SkipBlank();
        if (Here == '{')
        {
            return Block() ?? AfterDocument();
        }

        return Members() ?? (Here == End ? null : "this } closes nothing; remove it");
    }

    private string? AfterDocument()
    {
        SkipBlank();
        return Here == End ? null : "there is text after the closing }; remove it or move it inside";
    }

    private string? Block()
    {
        var opened = _line;
        if (_path.Count >= DepthMax)
        {
            return $"blocks are nested more than {DepthMax} deep";
        }

        Advance();
        var error = Members();
        if (error is not null)
        {
            return error;
        }

        if (Here == End)
        {
            return Opened(opened, "the block that opens here is not closed; add a }");
        }

        Advance();
        return null;
    }

    private string? Members()
    {
        while (true)
        {
            SkipBlank(commas: true);
            if (Here is End or '}')
            {
                return null;
            }

            if (Member() is { } error)
            {
                return error;
            }
        }
    }

    private string? Member()
    {
        var line = _line;
        if (Key() is not { } key)
        {
            return Opened(line, "a key is expected here: letters, digits, - and dots, or text in double quotes");
        }

        _path.Push(key);
        _lines[string.Join(':', _path.Reverse())] = line;
        SkipSpaces();
        var error = Here switch
        {
            '{' => Block(),
            '=' or ':' => Assignment(),
            _ => "after a key there must be = or {",
        };
        _path.Pop();
        return error ?? AfterValue();
    }

    private string? Key()
    {
        var start = _at;
        if (Here == '"')
        {
            return Quoted() is null ? _text[start.._at].Trim('"') : null;
        }

        while (char.IsAsciiLetterOrDigit(Here) || Here is '-' or '_' or '.')
        {
            Advance();
        }

        return _at == start ? null : _text[start.._at].Replace('.', ':');
    }

    private string? Assignment()
    {
        Advance();
        SkipBlank();
        return Value();
    }

    private string? Value() => Here switch
    {
        '{' => Block(),
        '[' => List(),
        '"' => Quoted(),
        _ => Unquoted(),
    };

    private string? List()
    {
        var opened = _line;
        Advance();
        while (true)
        {
            SkipBlank(commas: true);
            switch (Here)
            {
                case ']':
                    Advance();
                    return null;
                case End or '}' or '=':
                    return Opened(opened, "the list that opens here is not closed; add a ]");
                case '[' or '{':
                    return "a list holds texts only";
            }

            if ((Value() ?? AfterValue()) is not null)
            {
                return Opened(opened, "the list that opens here is not closed, or a text in it needs double quotes");
            }
        }
    }

    private string? Quoted()
    {
        var opened = _line;
        var fence = _text.AsSpan(_at).StartsWith("\"\"\"") ? "\"\"\"" : "\"";
        Advance(fence.Length);
        while (!_text.AsSpan(_at).StartsWith(fence))
        {
            if (Here == End || (Here == '\n' && fence.Length == 1))
            {
                return Opened(opened, "the text that opens here is not closed; add a double quote");
            }

            Advance(Here == '\\' && fence.Length == 1 && Peek(1) is not ('\n' or End) ? 2 : 1);
        }

        Advance(fence.Length);
        return null;
    }

    private string? Unquoted()
    {
        var start = _at;
        if (Here == '$' && Peek(1) == '{')
        {
            return Substitution();
        }

        while (Here is not (End or '\n' or ',' or '}' or ']' or '#') && !(Here == '/' && Peek(1) == '/'))
        {
            if (Here is '"' or '{' or '[' or '=' or ':' or '$')
            {
                return "a value with special characters must be in double quotes";
            }

            Advance();
        }

        return string.IsNullOrWhiteSpace(_text[start.._at]) ? "the value is missing; write \"\" for an empty one" : null;
    }

    private string? Substitution()
    {
        while (Here is not ('}' or '\n' or End))
        {
            Advance();
        }

        if (Here != '}')
        {
            return "the ${ that opens here is not closed; add a }";
        }

        Advance();
        return null;
    }

    private string? AfterValue()
    {
        SkipSpaces();
        return Here is End or '\n' or ',' or '}' or ']' or '#' || (Here == '/' && Peek(1) == '/')
            ? null
            : "there is text after the value; put the whole value in double quotes, or the next key on its own line";
    }

    private string Opened(int line, string error)
    {
        _line = line;
        return error;
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
        while (true)
        {
            if (char.IsWhiteSpace(Here) || Here == '\uFEFF' || (commas && Here == ','))
            {
                Advance();
            }
            else if (Here == '#' || (Here == '/' && Peek(1) == '/'))
            {
                while (Here is not ('\n' or End))
                {
                    Advance();
                }
            }
            else
            {
                return;
            }
        }
    }
}

/// <summary>What <see cref="HoconSyntax"/> found.</summary>
/// <param name="Lines">Line of every key, by path with colons.</param>
/// <param name="Error">The first error; null if there is none.</param>
/// <param name="ErrorLine">Its line; without meaning if there is none.</param>
internal sealed record HoconCheck(ImmutableDictionary<string, int> Lines, string? Error, int ErrorLine);
