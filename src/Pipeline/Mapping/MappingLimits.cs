using System.Text.Json;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>Bounds against events that are small themselves and would make a body of any size.</summary>
internal static class MappingLimits
{
    /// <summary>Levels of a path such as <c>a.b.c</c>; a property with a longer one is left out.</summary>
    public const int PathSegmentsMax = 256;

    /// <summary>Empty places that paths such as <c>a[900]</c> may add to the arrays of one body; a property that needs
    /// more is left out.</summary>
    public const int PaddingMax = 65_536;

    /// <summary>Events are at most 64 levels deep; a body made of paths and event values may be deeper.</summary>
    public static readonly JsonReaderOptions Reader = new() { MaxDepth = DepthMax };

    /// <summary>The same for trees.</summary>
    public static readonly JsonDocumentOptions Document = new() { MaxDepth = DepthMax };

    private const int DepthMax = 512;
}
