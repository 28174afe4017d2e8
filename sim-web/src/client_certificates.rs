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
    let (names, organisations) = subject(certificate)?;
    let fingerprint: String = digest(&SHA256, certificate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    sim_api::authentication::user_of_certificate(names.last()?, &organisations, &fingerprint)
}

/// One element of DER: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
        (digits.iter().fold(0_usize, |length, digit| (length << 8) | usize::from(*digit)), &rest[count..])
    };
    Some((tag, rest.get(..length)?, &rest[length..]))
}

fn elements(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let Some((tag, content, rest)) = element(bytes) {
        found.push((tag, content));
        bytes = rest;
    }
    found
}

/// The common names and the organisations of a certificate's subject (RFC 5280, section 4.1).
fn subject(certificate: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
    const VERSION: u8 = 0xa0;
    const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
    const ORGANISATION: [u8; 3] = [0x55, 0x04, 0x0a];
    let (_, signed, _) = element(certificate)?;
    let (_, body, _) = element(signed)?;
    let fields = elements(body);
    // Serial number, signature, issuer, validity, subject; the version before them may be left out.
    let first = usize::from(fields.first()?.0 == VERSION);
    let (_, subject) = fields.get(first + 4)?;
    let (mut names, mut organisations) = (vec![], vec![]);
    for (_, attribute) in elements(subject).into_iter().flat_map(|(_, set)| elements(set)) {
        let parts = elements(attribute);
        let [(_, kind), (_, value)] = parts.as_slice() else { continue };
        let text = String::from_utf8_lossy(value).into_owned();
        if *kind == COMMON_NAME {
            names.push(text);
        } else if *kind == ORGANISATION {
            organisations.push(text);
        }
    }
    Some((names, organisations))
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
