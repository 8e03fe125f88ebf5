using System.Runtime.InteropServices;

namespace VarianceActors.Databases;

/// <summary>What a process can be told by the kernel, by its number on Linux.</summary>
public enum Signal
{
    /// <summary>Nothing of it runs any more.</summary>
    Kill = 9,

    /// <summary>It is asked to stop.</summary>
    Terminate = 15,

    /// <summary>It runs on.</summary>
    Continue = 18,

    /// <summary>It stands still.</summary>
    Stop = 19,
}

/// <summary>Sends signals to processes.</summary>
public static partial class Signals
{
    /// <summary>Sends one; who has ended meanwhile needs none.</summary>
    public static void Send(int process, Signal signal) => _ = SendSignal(process, (int)signal);

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int SendSignal(int process, int signal);
}
