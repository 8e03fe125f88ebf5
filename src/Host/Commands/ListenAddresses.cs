using System.Collections.Immutable;
using VarianceActors.Host.Configuration;

namespace VarianceActors.Host.Commands;

/// <summary>The addresses given to <c>--urls</c>.</summary>
internal static class ListenAddresses
{
    /// <summary>Splits at semicolons, as ASP.NET Core does, and checks each address.</summary>
    public static (string[] Urls, ImmutableArray<ConfigurationFault> Faults) Read(IEnumerable<string> values)
    {
        string[] urls = [.. values.SelectMany(Split)];
        return (urls, [.. urls.Where(url => !IsAddress(url)).Select(Fault)]);
    }

    private static string[] Split(string value) =>
        value.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static bool IsAddress(string url)
    {
        try
        {
            var address = BindingAddress.Parse(url);
            return address is { Scheme: "http", Host.Length: > 0, PathBase.Length: 0, Port: >= 0 and <= 65_535 };
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private static ConfigurationFault Fault(string url) =>
        new("--urls", $"'{url}' is no address to listen at; give http://HOST:PORT (a proxy in front speaks https)", "");
}
