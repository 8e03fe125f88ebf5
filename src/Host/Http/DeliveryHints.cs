namespace VarianceActors.Host.Http;

/// <summary>What the words for failed attempts mean, for a person.</summary>
internal static class DeliveryHints
{
    /// <summary>One or two sentences: what it means, and what can be done.</summary>
    public static string For(string reason) => reason switch
    {
        "timeout" => "The receiver did not answer in time. If it is only slow, a larger delivery.attempt-timeout helps.",
        "retry-budget-exhausted" => "It was tried for the whole retry budget while other messages got through. "
            + "Look at the last answer; once the receiver takes it, replay it.",
        "receiver-address-not-public" => "The receiver's name leads to no public address. If it is one of your own, set "
            + "allow-private-network = on for the connection.",
        "network-NameResolutionError" => "The receiver's name could not be resolved. Check the host of the URL, and DNS.",
        "network-ConnectionError" => "No connection came about: the receiver is down, or a firewall is between.",
        "network-SecureConnectionError" => "TLS failed. Check the receiver's certificate and that the URL's host is named in it.",
        "network-reset" or "network-ResponseEnded" => "The receiver cut the connection before it had answered. It may have "
            + "taken the message; it is sent again with the same id.",
        "status-400" or "status-422" => "The receiver does not take this message as it is. Its answer usually says which part.",
        "status-401" or "status-403" or "status-407" => "The receiver refuses the credentials. Check authorization and signature of the "
            + "connection; nothing is lost meanwhile.",
        "status-402" => "The receiver wants to be paid first. Nothing is lost meanwhile.",
        "status-404" or "status-410" => "There is nothing at this URL. Check the URL of the connection; nothing is lost "
            + "meanwhile.",
        "status-405" or "status-415" or "status-421" or "status-426" => "What answers at this URL takes no such posts. Check the "
            + "URL of the connection; nothing is lost meanwhile.",
        "status-408" or "status-425" => "The receiver asks for the message again; that happens by itself.",
        "status-413" => "The message is too large for the receiver. properties-never-sent can cut large properties out of later "
            + "ones.",
        "status-429" => "The receiver is asked too often. A lower rate of the connection avoids it; Retry-After is obeyed.",
        _ when reason.StartsWith("status-3", StringComparison.Ordinal) =>
            "The receiver redirects, which is never followed. Give the connection the final URL.",
        _ when reason.StartsWith("status-5", StringComparison.Ordinal) =>
            "The receiver has a problem of its own. Messages wait and are sent again by themselves.",
        _ when reason.StartsWith("status-", StringComparison.Ordinal) =>
            "The receiver does not take this message. Its answer may say why.",
        "probe-lost" => "A probe was sent and its outcome is not known, as after a node stopped; another one follows.",
        "network-ConfigurationLimitExceeded" => "The receiver's answer has more headers than are read. Messages wait and are sent "
            + "again by themselves.",
        _ => "The network between here and the receiver failed. Messages wait and are sent again by themselves.",
    };
}
