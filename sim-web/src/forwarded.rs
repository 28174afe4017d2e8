//! One forwarded connection: its bytes are read as what the container's program speaks there, HTTP/1.1 or Redis' protocol, and
//! answered by its profile. A port that nobody listens on is refused in the words of kubelet and containerd.
//! Not modelled: other protocols, trailers of bodies in chunks.
//! Source: kubelet/pkg/cri/streaming/portforward/httpstream.go, containerd/internal/cri/server/sandbox_portforward_linux.go.

use sim_api::{Connect, Response};
use sim_core::cluster::Listener;
use tokio::sync::oneshot;

use crate::resp::{self, Todo};
use crate::simulation::{Command, Handle};
use crate::streams::{ProxyCall, RedisCall};

/// A request may have this many bytes.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// A connection to a port of a pod.
pub struct Forwarded {
    port: u16,
    bytes: Vec<u8>,
    speaks: Option<Listener>,
    password: Option<String>,
    continued: bool,
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
        Forwarded { port, bytes: vec![], speaks: None, password: None, continued: false }
    }

    /// Dials the port: why that fails, if it does.
    pub async fn dial(&mut self, connect: &Connect, simulation: &Handle) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        let (namespace, pod, uid) = (connect.namespace.clone(), connect.pod.clone(), connect.uid.clone());
        let sent = simulation.send(Command::Dial { namespace, pod, uid, port: self.port, reply });
        match if sent { answer.await.unwrap_or(Err(false)) } else { Err(false) } {
            Ok(listener) => {
                self.speaks = Some(listener);
                None
            }
            Err(pod_is_there) => Some(self.refusal(connect, pod_is_there)),
        }
    }

    fn refusal(&self, connect: &Connect, pod_is_there: bool) -> String {
        let (port, uid) = (self.port, &connect.uid);
        let sandbox = uid.replace('-', "").repeat(2);
        let why = if pod_is_there {
            format!(
                "failed to execute portforward in network namespace \"/var/run/netns/cni-{uid}\": failed to connect to localhost:{port} \
                 inside namespace {sandbox:?}, IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused IPv6 dial tcp6: address \
                 localhost: no suitable address found "
            )
        } else {
            format!("failed to find sandbox {sandbox:?} in store: not found")
        };
        format!("error forwarding port {port} to pod {sandbox}, uid : {why}")
    }

    /// Takes in what the client sent.
    pub async fn feed(&mut self, bytes: &[u8], connect: &Connect, simulation: &Handle) -> Next {
        self.bytes.extend_from_slice(bytes);
        if self.speaks == Some(Listener::Redis) { self.redis(connect, simulation).await } else { self.http(connect, simulation).await }
    }

    async fn http(&mut self, connect: &Connect, simulation: &Handle) -> Next {
        let mut out = vec![];
        loop {
            match parse(&self.bytes) {
                Parsed::Whole(length, request, last) => {
                    self.bytes.drain(..length);
                    self.continued = false;
                    let call = ProxyCall { namespace: connect.namespace.clone(), pod: connect.pod.clone(), port: self.port, ..request };
                    let head_only = call.method == "HEAD";
                    match send(simulation, call).await {
                        Some(response) => out.extend(written(&response, head_only, last)),
                        None => return self.broken(out, connect, simulation).await,
                    }
                    if last {
                        return Next::Closed(out);
                    }
                }
                Parsed::More { expects } if self.bytes.len() < REQUEST_BYTES_MAX => {
                    if expects && !std::mem::replace(&mut self.continued, true) {
                        out.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    return Next::Open(out);
                }
                Parsed::More { .. } => return refused(out, 413),
                Parsed::Nonsense => return refused(out, 400),
            }
        }
    }

    /// Nobody answered: because nobody listens any more, or for another reason that ends this connection alone.
    async fn broken(&mut self, out: Vec<u8>, connect: &Connect, simulation: &Handle) -> Next {
        match self.dial(connect, simulation).await {
            Some(why) => Next::Broken(out, why),
            None => Next::Closed(out),
        }
    }

    async fn redis(&mut self, connect: &Connect, simulation: &Handle) -> Next {
        let mut out = vec![];
        loop {
            let words = match resp::parse(&self.bytes) {
                resp::Parsed::More => return Next::Open(out),
                resp::Parsed::Nonsense(why) => {
                    out.extend(resp::error(why));
                    return Next::Closed(out);
                }
                resp::Parsed::Whole(length, words) => {
                    self.bytes.drain(..length);
                    words
                }
            };
            let (words, logs_in) = match resp::todo(&words, self.password.as_ref()) {
                Todo::Say(bytes) => {
                    out.extend(bytes);
                    continue;
                }
                Todo::SayAndClose(bytes) => {
                    out.extend(bytes);
                    return Next::Closed(out);
                }
                Todo::Ask(_) => (words, None),
                Todo::LogIn(password) => (vec!["PING".to_owned()], Some(password)),
            };
            let password = logs_in.clone().or_else(|| self.password.clone());
            let (namespace, pod, port) = (connect.namespace.clone(), connect.pod.clone(), self.port);
            let Some(reply) = ask_redis(simulation, RedisCall { namespace, pod, port, password, words }).await else {
                return self.broken(out, connect, simulation).await;
            };
            match (logs_in, &reply) {
                (Some(password), sim_workload::Reply::Pong) => {
                    self.password = Some(password);
                    out.extend(b"+OK\r\n");
                }
                _ => out.extend(resp::written(&reply)),
            }
        }
    }
}

async fn send(simulation: &Handle, call: ProxyCall) -> Option<Response> {
    let (reply, answer) = oneshot::channel();
    if !simulation.send(Command::Proxy(Box::new(call), reply)) {
        return None;
    }
    answer.await.ok()?
}

async fn ask_redis(simulation: &Handle, call: RedisCall) -> Option<sim_workload::Reply> {
    let (reply, answer) = oneshot::channel();
    if !simulation.send(Command::Redis(Box::new(call), reply)) {
        return None;
    }
    answer.await.ok()?
}

enum Parsed {
    /// How many bytes the request has, the request, and whether it is the connection's last.
    Whole(usize, ProxyCall, bool),
    /// The rest is missing; whether the client waits to be told to go on.
    More {
        expects: bool,
    },
    Nonsense,
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::More { expects: false },
        Err(_) => return Parsed::Nonsense,
    };
    let headers: Vec<(String, String)> =
        request.headers.iter().map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned())).collect();
    let header = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    let more = || Parsed::More { expects: header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue")) };
    let rest = bytes.get(head..).unwrap_or_default();
    let (body, length) = match header("transfer-encoding") {
        Some(coding) if coding.eq_ignore_ascii_case("chunked") => match unchunk(rest) {
            Ok(Some((body, length))) => (body, length),
            Ok(None) => return more(),
            Err(()) => return Parsed::Nonsense,
        },
        Some(_) => return Parsed::Nonsense,
        None => {
            let Ok(length) = header("content-length").unwrap_or("0").parse::<usize>() else { return Parsed::Nonsense };
            let Some(body) = rest.get(..length) else { return more() };
            (body.to_vec(), length)
        }
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    let connection = header("connection").unwrap_or_default().to_ascii_lowercase();
    let last = connection.contains("close") || request.version == Some(0) && !connection.contains("keep-alive");
    let (method, path) = (request.method.unwrap_or("GET").to_owned(), request.path.unwrap_or("/").to_owned());
    Parsed::Whole(head + length, ProxyCall { namespace: String::new(), pod: String::new(), port: 0, method, path, headers, body }, last)
}

/// A body in chunks: the body and how many bytes it took, if it is whole.
fn unchunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ()> {
    let (mut body, mut at) = (vec![], 0);
    loop {
        let (start, size) = match httparse::parse_chunk_size(bytes.get(at..).unwrap_or_default()) {
            Ok(httparse::Status::Complete((start, size))) => (at + start, usize::try_from(size).map_err(drop)?),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(()),
        };
        let end = start.checked_add(size).ok_or(())?;
        let Some(chunk) = bytes.get(start..end) else { return Ok(None) };
        if bytes.len() < end + 2 {
            return Ok(None);
        }
        body.extend_from_slice(chunk);
        at = end + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

/// What a server says to what it cannot read, and closes the connection.
fn refused(mut out: Vec<u8>, status: u16) -> Next {
    let headers = vec![("Content-Type".into(), "text/plain; charset=utf-8".into())];
    let body = if status == 400 { b"Invalid HTTP request received.".to_vec() } else { b"Request Entity Too Large".to_vec() };
    out.extend(written(&Response { status, headers, body }, false, true));
    Next::Closed(out)
}

/// An answer as HTTP/1.1.
fn written(response: &Response, head_only: bool, last: bool) -> Vec<u8> {
    let reason = axum::http::StatusCode::from_u16(response.status).ok().and_then(|s| s.canonical_reason()).unwrap_or("");
    let media = response.header("content-type").unwrap_or("text/plain");
    let close = if last { "Connection: close\r\n" } else { "" };
    let (status, length) = (response.status, response.body.len());
    let head = format!("HTTP/1.1 {status} {reason}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n{close}\r\n");
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
        assert!(matches!(parse(&whole[..30]), Parsed::More { expects: false }));
        let Parsed::Whole(length, call, false) = parse(whole) else { panic!("it is whole") };
        assert_eq!((length, call.method.as_str(), call.path.as_str(), call.body.as_str()), (whole.len() - 3, "POST", "/kv/a", "abc"));
        assert!(matches!(parse(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), Parsed::Whole(_, _, true)));
        assert!(matches!(parse(b"\x00\x01PING\r\n\r\n"), Parsed::Nonsense));
        assert!(matches!(parse(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"), Parsed::More { expects: true }));
    }

    #[test]
    fn a_body_may_come_in_chunks() {
        let whole = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET";
        let Parsed::Whole(length, call, false) = parse(whole) else { panic!("it is whole") };
        assert_eq!((length, call.body.as_str()), (whole.len() - 3, "abcde"));
        assert!((50..whole.len() - 3).all(|length| matches!(parse(&whole[..length]), Parsed::More { .. })));
    }
}
