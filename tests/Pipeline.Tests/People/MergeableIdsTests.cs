using VarianceActors.Pipeline.People;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class MergeableIdsTests
{
    [Theory]
    [InlineData("")]
    [InlineData(" \t\uFEFF ")]
    [InlineData("Anonymous")]
    [InlineData("GUEST")]
    [InlineData("distinct_ID")]
    [InlineData("Not_Authenticated")]
    [InlineData("UNDEFINED")]
    [InlineData("tRue")]
    [InlineData("[object Object]")]
    [InlineData("NaN")]
    [InlineData("None")]
    [InlineData("none")]
    [InlineData("null")]
    [InlineData("0")]
    [InlineData("'Guest'")]
    [InlineData("\"null\"")]
    [InlineData("a\0b")]
    public void Illegal(string id) => Assert.False(MergeableIds.Contains(id));

    [Theory]
    [InlineData("nan")]
    [InlineData("NULL")]
    [InlineData("NONE")]
    [InlineData("00")]
    [InlineData(" guest ")]
    [InlineData("[OBJECT OBJECT]")]
    [InlineData("'guest\"")]
    [InlineData("user-1")]
    public void Legal(string id) => Assert.True(MergeableIds.Contains(id));

    [Fact]
    public void Length_is_counted_in_code_points()
    {
        var longest = string.Concat(Enumerable.Repeat("🙂", 400));

        Assert.True(MergeableIds.Contains(longest));
        Assert.False(MergeableIds.Contains(longest + "x"));
    }
}
