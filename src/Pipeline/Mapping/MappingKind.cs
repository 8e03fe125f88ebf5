namespace VarianceActors.Pipeline.Mapping;

/// <summary>How a connection turns capture events into messages.</summary>
public enum MappingKind
{
    /// <summary>Canonical user ids, merged traits, no ghost contacts (the default).</summary>
    Contacts,

    /// <summary>The body of PostHog's original Variance plugin, exactly.</summary>
    Plugin,
}
