using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor.Setup;
using Akka.Remote.Transport.DotNetty;

namespace VarianceActors.Pipeline.Clustering;

/// <summary>TLS between nodes: each shows a certificate of the one authority, and its name is the one it was called by.</summary>
internal static class NodeTls
{
    /// <summary>Reads the files.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A file is no certificate or key.</exception>
    public static Setup Read(NodeTlsOptions options)
    {
        // A key that comes from PEM is not usable for TLS everywhere before it has been a PKCS 12.
        using var read = X509Certificate2.CreateFromPemFile(options.CertificateFile, options.KeyFile);
        var certificate = X509CertificateLoader.LoadPkcs12(read.Export(X509ContentType.Pkcs12), null);
        var authority = new X509Certificate2Collection();
        authority.ImportFromPemFile(options.AuthorityFile);
        return new DotNettySslSetup(
            certificate,
            suppressValidation: false,
            requireMutualAuthentication: true,
            validateCertificateHostname: true,
            (peer, _, _, errors, _) => IsOneOfUs(peer, errors, authority));
    }

    private static bool IsOneOfUs(X509Certificate2? peer, SslPolicyErrors errors, X509Certificate2Collection authority)
    {
        if (peer is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck; // an authority of one's own has no place to ask
        return chain.Build(peer);
    }
}
