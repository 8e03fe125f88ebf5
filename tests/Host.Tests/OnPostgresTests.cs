using VarianceActors.Harness;
using VarianceActors.Host.Tests.Delivery;
using VarianceActors.Host.Tests.People;
using VarianceActors.Host.Tests.Views;
using VarianceActors.Pipeline.Stores;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests;

// What must not depend on the database, once more on PostgreSQL. All other tests: see VARIANCE_TEST_STORE in docs/harness.md.

public sealed class BooksOnPostgresTests : BooksTests
{
    public BooksOnPostgresTests(ITestOutputHelper output)
        : base(output) => TestStore.Use(StoreKind.Postgres);
}

public sealed class TimelinesOnPostgresTests : TimelineTests
{
    public TimelinesOnPostgresTests() => TestStore.Use(StoreKind.Postgres);
}

public sealed class ViewsModelOnPostgresTests : ViewsModelTests
{
    public ViewsModelOnPostgresTests(ITestOutputHelper output)
        : base(output) => TestStore.Use(StoreKind.Postgres);
}
