namespace VarianceActors.Pipeline.Mapping;

/// <summary>The fields of <c>context</c> that both mappings take from an event. What is missing or null is left out,
/// and an object that would be empty too.</summary>
internal sealed class MessageContext
{
    private readonly JsonSlice _appVersion;
    private readonly JsonSlice _ip;
    private readonly JsonSlice _os;
    private readonly JsonSlice _host;
    private readonly JsonSlice _path;
    private readonly JsonSlice _referrer;
    private readonly JsonSlice _url;
    private readonly JsonSlice _height;
    private readonly JsonSlice _width;

    public MessageContext(EventFields fields)
    {
        _appVersion = fields.Path("properties.posthog_version"u8);
        _ip = fields.Top("ip"u8);
        _os = fields.Path("properties.$os"u8);
        _host = fields.Path("properties.$host"u8);
        _path = fields.Path("properties.$pathname"u8);
        _referrer = fields.Path("properties.$referrer"u8);
        _url = fields.Path("properties.$current_url"u8);
        _height = fields.Path("properties.$screen_height"u8);
        _width = fields.Path("properties.$screen_width"u8);
        Search = SearchOf(fields.Property("$current_url"u8));
    }

    /// <summary>The search part of <c>$current_url</c>, perhaps empty; null if that is no URL.</summary>
    public string? Search { get; }

    public bool IsEmpty => !(_appVersion.IsDefined || _ip.IsDefined || _os.IsDefined || HasPage || HasScreen);

    private bool HasPage => HasPageField || Search is not null;

    private bool HasPageField => _host.IsDefined || _path.IsDefined || _referrer.IsDefined || _url.IsDefined;

    private bool HasScreen => _height.IsDefined || _width.IsDefined;

    /// <summary>Writes the fields into an object that is open.</summary>
    public void WriteFields(BodyWriter writer, NamedValues? named = null)
    {
        if (_appVersion.IsDefined)
            writer.Nested("app"u8, "version"u8, _appVersion, named);
        writer.Field("ip"u8, _ip, named);
        if (_os.IsDefined)
            writer.Nested("os"u8, "name"u8, _os, named);
        if (HasPage)
        {
            writer.Name("page"u8);
            writer.Open((byte)'{');
            WritePageFields(writer);
            if (Search is not null)
                writer.Field("search"u8, Search);
            writer.Close((byte)'}');
        }

        if (HasScreen)
        {
            writer.Name("screen"u8);
            writer.Open((byte)'{');
            writer.Field("height"u8, _height);
            writer.Field("width"u8, _width);
            writer.Close((byte)'}');
        }
    }

    /// <summary>Writes the <c>properties</c> of a page view.</summary>
    public void WritePageProperties(BodyWriter writer)
    {
        if (!HasPageField && string.IsNullOrEmpty(Search))
            return;
        writer.Name("properties"u8);
        writer.Open((byte)'{');
        WritePageFields(writer);
        if (!string.IsNullOrEmpty(Search))
            writer.Field("search"u8, Search);
        writer.Close((byte)'}');
    }

    private static string? SearchOf(JsonSlice url) =>
        url.AsString() is { } text && UrlSearch.TryRead(text, out string search) ? search : null;

    private void WritePageFields(BodyWriter writer)
    {
        writer.Field("host"u8, _host);
        writer.Field("path"u8, _path);
        writer.Field("referrer"u8, _referrer);
        writer.Field("url"u8, _url);
    }
}
