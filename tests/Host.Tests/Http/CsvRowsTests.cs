using VarianceActors.Host.Http;
using Xunit;

namespace VarianceActors.Host.Tests.Http;

public sealed class CsvRowsTests
{
    [Theory]
    [InlineData("=1", "'=1\r\n")]
    [InlineData("\t=1", "'\t=1\r\n")]
    [InlineData("\r=1", "\"'\r=1\"\r\n")]
    [InlineData("\n=1", "\"'\n=1\"\r\n")]
    [InlineData("a=1", "a=1\r\n")]
    public void A_text_that_a_spreadsheet_would_run_gets_an_apostrophe(string text, string line) =>
        Assert.Equal(line, CsvRows.Line(text));
}
