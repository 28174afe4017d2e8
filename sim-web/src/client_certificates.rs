//! Client certificates: the TLS side asks for one without insisting, and a request carries the user of the one that was
//! shown and that our authority vouches for. The common name is the user, the organisations are the groups.
//! Source: apiserver authentication/request/x509/x509.go. Not modelled: certificate revocation, which Kubernetes has not either.

use std::future::Future;
use std::io;
use std::pin::Pin;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use ring::digest::{SHA256, digest};
use sim_apimachinery::UserInfo;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;

/// The user of a connection's certificate, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Shown(pub Option<UserInfo>);

/// Accepts TLS connections and remembers whose they are.
#[derive(Clone, Debug)]
pub struct Acceptor(pub RustlsAcceptor);

type Accepting<Stream, Service> = Pin<Box<dyn Future<Output = io::Result<(Stream, Service)>> + Send>>;

impl<I, S> Accept<I, S> for Acceptor
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Send + 'static,
{
    type Stream = <RustlsAcceptor as Accept<I, S>>::Stream;
    type Service = AddExtension<S, Shown>;
    type Future = Accepting<Self::Stream, Self::Service>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let acceptor = self.0.clone();
        Box::pin(async move {
            let (stream, service) = acceptor.accept(stream, service).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let user = shown.and_then(|certificate| user_of(certificate));
            Ok((stream, Extension(Shown(user)).layer(service)))
        })
    }
}

/// The user a certificate in DER names.
fn user_of(certificate: &[u8]) -> Option<UserInfo> {
    let subject = sim_core::credentials::subject(certificate)?;
    let fingerprint: String = digest(&SHA256, certificate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    sim_api::authentication::user_of_certificate(&subject.common_name, &subject.organizations, &fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str, organisations: &[&str]) -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        organisations.iter().for_each(|o| parameters.distinguished_name.push(rcgen::DnType::OrganizationName, *o));
        let key = rcgen::KeyPair::generate().expect("a key");
        parameters.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn a_certificate_names_its_user_and_groups() {
        let user = user_of(&certificate("jane", &["developers"])).expect("a user");
        assert_eq!((user.name.as_str(), user.groups.as_slice()), ("jane", ["developers".to_owned()].as_slice()));
        assert!(user.extra.contains_key("authentication.kubernetes.io/credential-id"));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = certificate("jane", &["developers"]);
        for length in 0..whole.len() {
            let _either = user_of(&whole[..length]);
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0xff;
            let _either = user_of(&changed);
        }
    }
}
