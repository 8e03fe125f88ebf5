namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// Large arrays to be used again, at most one per processor; the shared pool would keep one per thread. They are held
/// weakly: a full collection, which comes when memory is wanted for something else, frees those that are not in use.
/// </summary>
internal static class LargeArrays
{
    private static readonly WeakReference<byte[]>?[] Free = new WeakReference<byte[]>?[Environment.ProcessorCount];

    /// <summary>An array of at least that length, with anything in it.</summary>
    public static byte[] Rent(int length)
    {
        for (var index = 0; index < Free.Length; index++)
        {
            if (Interlocked.Exchange(ref Free[index], null) is { } held
                && held.TryGetTarget(out var array)
                && array.Length >= length)
            {
                return array;
            }
        }

        return GC.AllocateUninitializedArray<byte>(length);
    }

    /// <summary>Lets the array be used again.</summary>
    public static void Return(byte[] array)
    {
        var held = new WeakReference<byte[]>(array);
        for (var index = 0; index < Free.Length; index++)
        {
            if (Interlocked.CompareExchange(ref Free[index], held, null) is null)
                return;
        }
    }
}
