namespace VarianceActors.Host.Http;

/// <summary>
/// What posthog-js and posthog-node ask for at start (posthog.md C8): no flags, no recording, no surveys.
/// </summary>
public static class SdkDoor
{
    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Post, HttpMethods.Options];

    private static readonly byte[] Config =
        """
        {"supportedCompression":["gzip-js"],"hasFeatureFlags":false,"sessionRecording":false,"surveys":false,"heatmaps":false}
        """u8.ToArray();

    private static readonly byte[] Flags =
        """{"flags":{},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false}"""u8.ToArray();

    private static readonly byte[] Surveys = """{"surveys":[]}"""u8.ToArray();

    /// <summary>Maps the paths that SDKs need besides the capture paths.</summary>
    public static void MapSdkDoor(this IEndpointRouteBuilder endpoints)
    {
        Map(endpoints, "/array/{token}/config", Config);
        Map(endpoints, "/flags", Flags);
        Map(endpoints, "/decide", Flags);
        Map(endpoints, "/api/surveys", Surveys);

        // Session replay, which the configuration above turns off: what comes all the same is not kept.
        Map(endpoints, "/s", DoorAnswer.Ok);
        endpoints.MapMethods("/array/{token}/config.js", Methods, NotFound);
    }

    private static void Map(IEndpointRouteBuilder endpoints, string pattern, byte[] json) =>
        endpoints.MapMethods(pattern, Methods, context =>
        {
            MirroredCors.Apply(context);
            return DoorAnswer.Json(context, json);
        });

    private static Task NotFound(HttpContext context)
    {
        MirroredCors.Apply(context);
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }
}
