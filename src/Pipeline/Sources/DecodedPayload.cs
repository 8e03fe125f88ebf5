namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// The bytes of a payload. An array of its own, which events may share, unless it is large: large arrays are rented,
/// because the collector is in no hurry to free those, and then nothing may keep a part of one.
/// </summary>
/// <param name="Array">Holds the bytes from its start.</param>
/// <param name="Length">How many of its bytes count.</param>
/// <param name="IsRented">Whether it goes back with <see cref="Return"/>.</param>
internal readonly record struct DecodedPayload(byte[] Array, int Length, bool IsRented)
{
    private const int OwnBytesMax = 4 << 20;

    public Span<byte> Span => Array.AsSpan(0, Length);

    /// <summary>Takes an array as it is.</summary>
    public static DecodedPayload Of(byte[] array) => new(array, array.Length, IsRented: false);

    /// <summary>A payload to be filled.</summary>
    public static DecodedPayload Make(int length) => length > OwnBytesMax
        ? new(LargeArrays.Rent(length), length, IsRented: true)
        : Of(GC.AllocateUninitializedArray<byte>(length));

    /// <summary>Gives the array back; call it once, and use nothing of it afterwards.</summary>
    public void Return()
    {
        if (IsRented)
            LargeArrays.Return(Array);
    }
}
