using Xunit;

namespace VarianceActors.Host.Tests.Http;

/// <summary>Tests that measure the memory of their process: they run when no other test does.</summary>
[CollectionDefinition(nameof(MemoryMeasured), DisableParallelization = true)]
public sealed class MemoryMeasured;
