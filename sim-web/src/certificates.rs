//! The certificate authority and the server's certificate, made at the start; kept in the state folder when there is one,
//! so that a kubeconfig stays valid.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::pki_types::UnixTime;
use rustls::pki_types::pem::PemObject;
use rustls::time_provider::TimeProvider;
use sim_core::credentials::Authority;
use sim_core::time::{SECOND, SimTime};

use crate::journal::write_private;

/// A server's TLS identity and the authority that vouches for it.
pub struct Identity {
    /// The authority's certificate, PEM.
    pub authority_pem: String,
    /// What the server speaks TLS with.
    pub server: Arc<rustls::ServerConfig>,
    /// The authority for the cluster, which signs requests for certificates with its key.
    pub authority: Arc<Authority>,
    /// The cluster's time, by which the server judges whether a client's certificate has ended.
    pub time: ClusterTime,
    /// The administrator's certificate, PEM.
    pub admin_pem: String,
    /// The administrator's key, PEM.
    pub admin_key_pem: String,
}

/// The time of the cluster, which is not that of the world around it.
#[derive(Clone, Debug, Default)]
pub struct ClusterTime(Arc<AtomicU64>);

impl ClusterTime {
    /// It is now this late.
    pub fn set(&self, now: SimTime) {
        self.0.store(now.0 / SECOND, Ordering::Relaxed);
    }
}

impl TimeProvider for ClusterTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

/// The names every API server answers to.
const NAMES: [&str; 5] =
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

/// Makes the identity of a server on `address`; with a folder the authority is read from there, or made and kept there.
pub fn identity(address: IpAddr, folder: Option<&Path>) -> Result<Identity, String> {
    let kept = folder.map(|f| (f.join("ca.crt"), f.join("ca.key")));
    let read = kept.as_ref().and_then(|(crt, key)| Some((std::fs::read_to_string(crt).ok()?, std::fs::read_to_string(key).ok()?)));
    let (authority_pem, key_pem) = match read {
        Some(found) => found,
        None => authority().map_err(|e| format!("the certificate authority could not be made: {e}"))?,
    };
    if let Some((crt, key)) = &kept {
        write_private(crt, authority_pem.as_bytes())?;
        write_private(key, key_pem.as_bytes())?;
    }
    let authority = Arc::new(Authority::from_pem(&authority_pem, &key_pem)?);
    let time = ClusterTime::default();
    let server =
        server_config(address, &authority_pem, &key_pem, &time).map_err(|e| format!("the server's certificate could not be made: {e}"))?;
    let (admin_pem, admin_key_pem) = admin(&key_pem).map_err(|e| format!("the administrator's certificate could not be made: {e}"))?;
    Ok(Identity { authority_pem, server, authority, time, admin_pem, admin_key_pem })
}

/// The administrator's certificate and key, as kubeadm makes them.
fn admin(authority_key_pem: &str) -> Result<(String, String), rcgen::Error> {
    let issuer = Issuer::new(authority_parameters(), KeyPair::from_pem(authority_key_pem)?);
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::OrganizationName, "system:masters");
    parameters.distinguished_name.push(DnType::CommonName, "kubernetes-admin");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    Ok((parameters.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
}

fn authority() -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    Ok((authority_parameters().self_signed(&key)?.pem(), key.serialize_pem()))
}

fn authority_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "ksim");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    parameters
}

fn server_config(address: IpAddr, authority_pem: &str, key_pem: &str, time: &ClusterTime) -> Result<Arc<rustls::ServerConfig>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let authority_key = KeyPair::from_pem(key_pem).map_err(|e| text(&e))?;
    let issuer = Issuer::new(authority_parameters(), authority_key);
    let mut parameters = CertificateParams::new(NAMES.map(String::from).to_vec()).map_err(|e| text(&e))?;
    let mut addresses: Vec<IpAddr> =
        vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), IpAddr::from([10, 96, 0, 1])];
    if !addresses.contains(&address) && !address.is_unspecified() {
        addresses.push(address);
    }
    parameters.subject_alt_names.extend(addresses.into_iter().map(SanType::IpAddress));
    parameters.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(|e| text(&e))?;
    let certificate = parameters.signed_by(&key, &issuer).map_err(|e| text(&e))?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| text(&e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut clients = rustls::RootCertStore::empty();
    clients
        .add(rustls::pki_types::CertificateDer::from_pem_slice(authority_pem.as_bytes()).map_err(|e| text(&e))?)
        .map_err(|e| text(&e))?;
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone());
    let verifier = verifier.allow_unauthenticated().build().map_err(|e| text(&e))?;
    let mut config = rustls::ServerConfig::builder_with_details(provider, Arc::new(time.clone()))
        .with_safe_default_protocol_versions()
        .map_err(|e| text(&e))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .map_err(|e| text(&e))?;
    // A session that is taken up again would not be asked whether its certificate is still good.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
