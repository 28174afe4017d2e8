//! One forwarded connection: its bytes are read as HTTP/1.1 and answered by the container's profile.
//! Not modelled: other protocols than HTTP, bodies in chunks.

use sim_api::{Connect, Response};
use tokio::sync::oneshot;

use crate::simulation::{Command, Handle};
use crate::streams::ProxyCall;

/// A request may have this many bytes.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A connection to a port of a pod.
pub struct Forwarded {
    port: u16,
    bytes: Vec<u8>,
}

/// How a connection goes on; the bytes are for the client.
pub enum Next {
    /// It stays open.
    Open(Vec<u8>),
    /// The container's side closes it.
    Closed(Vec<u8>),
    /// It breaks, and this is why.
    Broken(Vec<u8>, String),
}

impl Forwarded {
    /// A new connection to a port.
    pub fn new(port: u16) -> Forwarded {
        Forwarded { port, bytes: vec![] }
    }

    /// Takes in what the client sent.
    pub async fn feed(&mut self, bytes: &[u8], connect: &Connect, simulation: &Handle) -> Next {
        self.bytes.extend_from_slice(bytes);
        let mut out = vec![];
        loop {
            match parse(&self.bytes) {
                Parsed::Whole(length, request, last) => {
                    self.bytes.drain(..length);
                    let call = ProxyCall { namespace: connect.namespace.clone(), pod: connect.pod.clone(), port: self.port, ..request };
                    let head_only = call.method == "HEAD";
                    match send(simulation, call).await {
                        Some(response) => out.extend(written(&response, head_only)),
                        None => return self.broken(out),
                    }
                    if last {
                        return Next::Closed(out);
                    }
                }
                Parsed::More if self.bytes.len() < REQUEST_BYTES_MAX => return Next::Open(out),
                Parsed::More | Parsed::Nonsense => return self.broken(out),
            }
        }
    }

    fn broken(&self, out: Vec<u8>) -> Next {
        let port = self.port;
        Next::Broken(
            out,
            format!("an error occurred forwarding {port} -> {port}: connection refused, or not HTTP (only HTTP is simulated)"),
        )
    }
}

async fn send(simulation: &Handle, call: ProxyCall) -> Option<Response> {
    let (reply, answer) = oneshot::channel();
    if !simulation.send(Command::Proxy(Box::new(call), reply)) {
        return None;
    }
    answer.await.ok()?
}

enum Parsed {
    /// How many bytes the request has, the request, and whether it is the connection's last.
    Whole(usize, ProxyCall, bool),
    More,
    Nonsense,
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::More,
        Err(_) => return Parsed::Nonsense,
    };
    let headers: Vec<(String, String)> =
        request.headers.iter().map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned())).collect();
    let header = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    if header("transfer-encoding").is_some() {
        return Parsed::Nonsense;
    }
    let Ok(length) = header("content-length").unwrap_or("0").parse::<usize>() else { return Parsed::Nonsense };
    let Some(end) = head.checked_add(length).filter(|_| length <= REQUEST_BYTES_MAX) else { return Parsed::Nonsense };
    let Some(body) = bytes.get(head..end) else { return Parsed::More };
    let body = String::from_utf8_lossy(body).into_owned();
    let connection = header("connection").unwrap_or_default().to_ascii_lowercase();
    let last = connection.contains("close") || request.version == Some(0) && !connection.contains("keep-alive");
    let (method, path) = (request.method.unwrap_or("GET").to_owned(), request.path.unwrap_or("/").to_owned());
    Parsed::Whole(end, ProxyCall { namespace: String::new(), pod: String::new(), port: 0, method, path, headers, body }, last)
}

/// An answer as HTTP/1.1.
fn written(response: &Response, head_only: bool) -> Vec<u8> {
    let reason = axum::http::StatusCode::from_u16(response.status).ok().and_then(|s| s.canonical_reason()).unwrap_or("");
    let media = response.header("content-type").unwrap_or("text/plain");
    let head = format!("HTTP/1.1 {} {reason}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n", response.status, response.body.len());
    let mut out = head.into_bytes();
    if !head_only {
        out.extend_from_slice(&response.body);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_when_it_is_whole() {
        let whole = b"POST /kv/a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
        assert!(matches!(parse(&whole[..30]), Parsed::More));
        let Parsed::Whole(length, call, false) = parse(whole) else { panic!("it is whole") };
        assert_eq!((length, call.method.as_str(), call.path.as_str(), call.body.as_str()), (whole.len() - 3, "POST", "/kv/a", "abc"));
        assert!(matches!(parse(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), Parsed::Whole(_, _, true)));
        assert!(matches!(parse(b"\x00\x01PING\r\n\r\n"), Parsed::Nonsense));
    }
}
