//! A tiny HTTPS server that answers as a test tells it: a webhook that an operator would run.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// What it does with a request.
pub enum Reaction {
    /// Answers with this status and body.
    Answers(u16, String),
    /// Says nothing for so long, then ends the connection.
    Hangs(Duration),
}

type React = dyn Fn(&str, &Value) -> Reaction + Send + Sync;

/// The server; it ends with the test's process.
pub struct Webhook {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate of its authority, PEM.
    pub authority: String,
    /// What it was asked: paths and bodies.
    pub asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Webhook {
    /// Starts one that reacts like this to a path and the request in the review.
    pub fn start(react: impl Fn(&str, &Value) -> Reaction + Send + Sync + 'static) -> Webhook {
        let (config, authority) = identity();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, react): (_, Arc<React>) = (asked.clone(), Arc::new(react));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (config, seen, react) = (config.clone(), seen.clone(), react.clone());
                std::thread::spawn(move || serve(socket, config, &seen, &*react));
            }
        });
        Webhook { address, authority, asked }
    }

    /// A client configuration that leads to a path of it.
    pub fn client_config(&self, path: &str) -> Value {
        use base64_of as encode;
        json!({"url": format!("https://{}{path}", self.address), "caBundle": encode(self.authority.as_bytes())})
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.asked.lock().expect("no panic").len()
    }
}

/// A review's answer: allowed, with these changes.
pub fn allowed(request: &Value, patch: &Value, warnings: &[&str]) -> Reaction {
    let mut response = json!({"uid": request["uid"], "allowed": true, "warnings": warnings});
    if !patch.is_null() {
        response["patchType"] = "JSONPatch".into();
        response["patch"] = base64_of(patch.to_string().as_bytes()).into();
    }
    reviewed(&response)
}

/// A review's answer: refused.
pub fn refused(request: &Value, code: u16, message: &str) -> Reaction {
    reviewed(&json!({"uid": request["uid"], "allowed": false, "status": {"code": code, "message": message}}))
}

fn reviewed(response: &Value) -> Reaction {
    Reaction::Answers(200, json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).to_string())
}

/// Base64 with padding.
pub fn base64_of(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0_u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[((number >> (18 - 6 * place)) & 63) as usize] as char;
            text.push(if place <= group.len() { letter } else { '=' });
        }
    }
    text
}

fn identity() -> (Arc<ServerConfig>, String) {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "webhook authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a key");
    let authority = parameters.self_signed(&authority_key).expect("a certificate").pem();
    let issuer = Issuer::new(parameters, authority_key);
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
    let key = KeyPair::generate().expect("a key");
    let certificate = own.signed_by(&key, &issuer).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("they belong together");
    (Arc::new(config), authority)
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>, asked: &Mutex<Vec<(String, Value)>>, react: &React) {
    let Ok(connection) = ServerConnection::new(config) else { return };
    let mut stream = StreamOwned::new(connection, socket);
    let Some((path, body)) = read(&mut stream) else { return };
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    asked.lock().expect("no panic").push((path.clone(), review.clone()));
    match react(&path, &review["request"]) {
        Reaction::Hangs(length) => std::thread::sleep(length),
        Reaction::Answers(code, body) => {
            let head = format!(
                "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).and_then(|()| stream.flush());
            stream.conn.send_close_notify();
            let _gone = stream.flush();
        }
    }
}

/// The path and the body of a request.
fn read(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut block = [0_u8; 4096];
    loop {
        let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if bytes.len() >= end + length.unwrap_or(0) {
                let path = head.split(' ').nth(1)?.split('?').next()?.to_owned();
                return Some((path, bytes.split_off(end)));
            }
        }
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&block[..length]),
        }
    }
}
