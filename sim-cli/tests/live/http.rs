//! A small HTTP/1.1 client over TLS that sends exactly the bytes a test wants to send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub struct Connection(StreamOwned<ClientConnection, TcpStream>);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The headers, with names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

/// Trusts an authority; with a certificate and its key in PEM the client shows them.
pub fn client(authority: &[u8], identity: Option<(&[u8], &[u8])>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority).expect("a certificate")).expect("it can be trusted");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let builder = builder.with_root_certificates(roots);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate).expect("a certificate")];
            let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("they belong together")
        }
    })
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Connection> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(config.clone(), name).map_err(std::io::Error::other)?;
        Ok(Connection(StreamOwned::new(tls, socket)))
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Reads until the blank line that ends the head; what follows it is handed back too.
    fn head(&mut self) -> std::io::Result<(String, Vec<u8>)> {
        let mut bytes = Vec::new();
        loop {
            if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                let rest = bytes.split_off(at + 4);
                return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
            }
            if self.more(&mut bytes)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads what has come.
    pub fn more(&mut self, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
        let mut block = [0_u8; 16 << 10];
        match self.0.read(&mut block) {
            Ok(length) => {
                bytes.extend_from_slice(&block[..length]);
                Ok(length)
            }
            // A peer that closes without a farewell has closed all the same.
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(0),
            Err(e) => Err(e),
        }
    }

    /// Reads a whole answer.
    pub fn answer(&mut self) -> std::io::Result<Answer> {
        let (head, mut body) = self.head()?;
        let mut lines = head.lines();
        let code = lines.next().and_then(|l| l.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
        let headers: Vec<(String, String)> =
            lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect();
        let mut answer = Answer { code, headers, body: vec![] };
        if answer.header("transfer-encoding") == "chunked" {
            while !body.ends_with(b"0\r\n\r\n") && self.more(&mut body)? > 0 {}
            answer.body = unchunked(&body);
        } else {
            let length: usize = answer.header("content-length").parse().unwrap_or(0);
            while body.len() < length && self.more(&mut body)? > 0 {}
            answer.body = body;
        }
        Ok(answer)
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).ok().and_then(|t| usize::from_str_radix(t.trim(), 16).ok()).unwrap_or(0);
        let (from, to) = (at + 2, at + 2 + size);
        if size == 0 || to > rest.len() {
            break;
        }
        body.extend_from_slice(&rest[from..to]);
        rest = rest.get(to + 2..).unwrap_or_default();
    }
    body
}
