namespace VarianceActors.Pipeline.Stages;

/// <summary>Sales stages of contacts and accounts: the block <c>stages</c> of a connection.</summary>
public sealed class StagesOptions
{
    /// <summary>The stages of contacts, from the least advanced to the most: <c>name: rule</c>.</summary>
    public required IReadOnlyList<string> Contacts { get; set; }

    /// <summary>The stages of accounts, likewise.</summary>
    public required IReadOnlyList<string> Accounts { get; set; }

    /// <summary>Whether contacts may go back.</summary>
    public StagePolicy ContactPolicy { get; set; }

    /// <summary>Whether accounts may go back.</summary>
    public StagePolicy AccountPolicy { get; set; }

    /// <summary>Whether a change of stage is sent as a track message.</summary>
    public bool ChangeEvents { get; set; }
}
