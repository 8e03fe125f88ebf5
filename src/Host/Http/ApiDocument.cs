using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace VarianceActors.Host.Http;

/// <summary>What the OpenAPI document says beside what the calls themselves tell.</summary>
internal static class ApiDocument
{
    private const string Scheme = "admin-key";

    private static readonly Dictionary<string, string> Parameters = new(StringComparer.Ordinal)
    {
        ["connection"] = "The id of the connection, as the configuration has it.",
        ["distinctId"] = "Any distinct id of the person, percent-encoded.",
        ["uuid"] = "The uuid of the event.",
        ["id"] = "The number or key of what is meant.",
        ["job"] = "The number of the job.",
        ["force"] = "Whether to do it although it brings a contact or old values back.",
        ["after"] = "Where the page begins: next of the page before.",
        ["limit"] = "How many items a page has at most.",
        ["since"] = "From this time on, ISO 8601.",
        ["until"] = "Before this time, ISO 8601.",
    };

    public static void Describe(OpenApiOptions options)
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info.Title = "VarianceActors";
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
            document.Components.SecuritySchemes[Scheme] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = "The admin-key of the configuration.",
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, _) =>
        {
            if (context.Description.RelativePath?.StartsWith("api/", StringComparison.Ordinal) == true)
            {
                operation.Security =
                    [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Scheme, context.Document)] = [] }];
            }

            foreach (var parameter in operation.Parameters ?? [])
            {
                if (parameter.Name is { } name && Parameters.TryGetValue(name, out var text))
                {
                    parameter.Description ??= text;
                }
            }

            return Task.CompletedTask;
        });
    }
}
