using VarianceActors.Host.Configuration;
using Xunit;

namespace VarianceActors.Host.Tests.Configuration;

public sealed class HoconSourceTests
{
    [Theory]
    [InlineData(
        "variance {\n  inbox {\n    partitions = 8\n",
        "x.conf:2: the block that opens here is not closed; add a }")]
    [InlineData("variance {\n}\n}\n", "x.conf:3: this } closes nothing; remove it")]
    [InlineData("{ variance {} }\nmore", "x.conf:2: there is text after the closing }; remove it or move it inside")]
    [InlineData(
        "variance {\n\n  data-dir = \"data\n}\n",
        "x.conf:3: the text that opens here is not closed; add a double quote")]
    [InlineData(
        "variance {\n  data-dir = \"\"\"data\n}\n",
        "x.conf:2: the text that opens here is not closed; add a double quote")]
    [InlineData("variance {\n  data-dir\n}\n", "x.conf:2: after a key there must be = or {")]
    [InlineData("variance {\n  data-dir += x\n}\n", "x.conf:2: after a key there must be = or {")]
    [InlineData("include \"other.conf\"\n", "x.conf:1: after a key there must be = or {")]
    [InlineData(
        "variance {\n  = 5\n}\n",
        "x.conf:2: a key is expected here: letters, digits and -, or text in double quotes")]
    [InlineData("variance {\n  data-dir = }\n", "x.conf:2: the value is missing; write \"\" for an empty one")]
    [InlineData(
        "variance {\n  url = http://host/\n}\n",
        "x.conf:2: a value with special characters must be in double quotes")]
    [InlineData("variance {\n  url = a@b\n}\n", "x.conf:2: a value with special characters must be in double quotes")]
    [InlineData(
        "variance {\n  url = ${?URL}\n}\n",
        "x.conf:2: ${...} is not replaced here; leave the key out and set its variable VARIANCE__...")]
    [InlineData(
        "variance {\n  a = \"x\" b = 2\n}\n",
        "x.conf:2: there is text after the value; "
        + "put the whole value in double quotes, or the next key on its own line")]
    [InlineData(
        "variance {\n  tokens = [\"a\", \"b\"\n  rate = 1\n}\n",
        "x.conf:3: a value with special characters must be in double quotes")]
    [InlineData("variance {\n  tokens = [a, b\n}\n", "x.conf:2: the list that opens here is not closed; add a ]")]
    [InlineData(
        "variance {\n  data-dir = 'data'\n}\n",
        "x.conf:2: a value with special characters must be in double quotes")]
    [InlineData(
        "variance {\n  data-dir = \"C:\\data\"\n}\n",
        "x.conf:2: after \\ there must be one of \" \\ / b f n r t u; write \\\\ for one backslash")]
    [InlineData("variance {\n  data-dir = \"\\u12\"\n}\n", "x.conf:2: after \\u there must be four hexadecimal digits")]
    [InlineData("variance {\n  tokens = [[]]\n}\n", "x.conf:2: a list holds texts only")]
    [InlineData("variance {\n  a = \0\n}\n", "x.conf:1: there is a NUL character in the text")]
    public void A_syntax_error_is_told_with_its_line(string text, string fault) =>
        Assert.Equal([fault], HoconSource.FromText(text, "x.conf").Faults.Select(found => found.ToString()));

    [Fact]
    public void Blocks_nested_without_end_are_refused()
    {
        var text = string.Concat(Enumerable.Repeat("a {", 100_000));

        Assert.Equal(
            ["x.conf:1: blocks are nested more than 32 deep"],
            HoconSource.FromText(text, "x.conf").Faults.Select(fault => fault.ToString()));
    }

    [Fact]
    public void A_syntax_error_does_not_show_what_is_written_there()
    {
        var layer = HoconSource.FromText("variance {\n  admin-key = secret-canary@\n  \"secret-canary\n}", "x.conf");

        Assert.DoesNotContain("canary", Assert.Single(layer.Faults).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("variance { data-dir = value }")]
    [InlineData("variance { data-dir : \"value\" }")]
    [InlineData("{ variance = { \"data-dir\" = value, } }")]
    [InlineData("variance.data-dir = value")]
    [InlineData("variance.data-dir = other\nvariance { data-dir = value }")]
    [InlineData("// comment { \nvariance {\r\n\tdata-dir = value # comment }\r\n}\r\n")]
    [InlineData("variance { data-dir = \"\"\"value\"\"\" }")]
    [InlineData("variance { data-dir = \"v\\u0061lue\" }")]
    [InlineData("variance { data-dir { x = 1 }, data-dir = value }")]
    [InlineData("variance { inbox {}, data-dir = [other], data-dir = value }")]
    public void Each_way_to_write_a_value_is_read(string text)
    {
        var layer = HoconSource.FromText(text, "x.conf");

        Assert.Empty(layer.Faults);
        Assert.Equal("value", layer.ValueOf("variance:data-dir"));
        Assert.Empty(layer.ChildNames("variance:data-dir"));
    }

    [Fact]
    public void Escapes_and_raw_texts_are_read()
    {
        var layer = HoconSource.FromText("a = \"q\\\" b\\\\ n\\n # // } é\", b = \"\"\"q\" b\\ {\n\"\"\"", "x.conf");

        Assert.Equal("q\" b\\ n\n # // } é", layer.ValueOf("a"));
        Assert.Equal("q\" b\\ {\n", layer.ValueOf("b"));
    }

    [Fact]
    public void A_missing_file_is_a_fault()
    {
        var layer = HoconSource.FromFile("no/such/file.conf");

        Assert.Equal(
            ["no/such/file.conf: there is no such file; check the path given to --config"],
            layer.Faults.Select(fault => fault.ToString()));
    }

    [Fact]
    public void Any_text_is_read_or_refused()
    {
        string[] pieces =
            [.. "ab1-.=:{}[],\n \"#/\\$?'é\t\r".Select(c => $"{c}"), "\"\"\"", "//", "a {", "b = c", "\\u"];
        var random = new Random(20_260_914);
        var refused = 0;
        for (var i = 0; i < 50_000; i++)
        {
            var text = string.Concat(random.GetItems(pieces, random.Next(1, 14)));
            refused += HoconSource.FromText(text, "x.conf").Faults.Length;
        }

        Assert.InRange(refused, 1_000, 49_999);
    }
}
