//! `kubectl port-forward`: SPDY frames inside WebSocket messages. Each connection is a pair of streams, one for bytes and
//! one for errors; the bytes are read as HTTP/1.1 and answered by the container's profile.
//! Not modelled: other protocols than HTTP, bodies in chunks.

use std::collections::BTreeMap;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use sim_api::{Connect, Response};
use tokio::sync::oneshot;

use crate::simulation::{Command, Handle};
use crate::spdy::{Decoder, Encoder, Frame};
use crate::streams::ProxyCall;

/// The subprotocols of port-forward.
pub const PROTOCOLS: [&str; 1] = ["SPDY/3.1+portforward.k8s.io"];
/// A request may have this many bytes.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Streams a client may have open.
const STREAMS_MAX: usize = 1000;

struct Stream {
    port: u16,
    request_id: String,
    is_error: bool,
    bytes: Vec<u8>,
}

/// Forwards until the client leaves.
pub async fn serve(mut socket: WebSocket, connect: Connect, simulation: Handle) {
    let (mut decoder, mut encoder) = (Decoder::new(), Encoder::new());
    let mut streams: BTreeMap<u32, Stream> = BTreeMap::new();
    while let Some(Ok(message)) = socket.recv().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => break,
            _ => continue,
        };
        let Ok(frames) = decoder.feed(&bytes) else { break };
        for frame in frames {
            let Some(answer) = take(frame, &mut streams, &mut encoder, &connect, &simulation).await else { return close(socket).await };
            if !answer.is_empty() && socket.send(Message::Binary(answer.into())).await.is_err() {
                return;
            }
        }
    }
    close(socket).await;
}

async fn close(mut socket: WebSocket) {
    let _gone = socket.send(Message::Close(Some(CloseFrame { code: 1000, reason: "".into() }))).await;
}

/// What is sent for a frame; `None` when the connection is over.
async fn take(
    frame: Frame,
    streams: &mut BTreeMap<u32, Stream>,
    encoder: &mut Encoder,
    connect: &Connect,
    simulation: &Handle,
) -> Option<Vec<u8>> {
    match frame {
        Frame::Open { stream, headers, .. } => {
            let header = |name: &str| headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
            if streams.len() >= STREAMS_MAX {
                return None;
            }
            let opened = Stream {
                port: header("port").parse().unwrap_or(0),
                request_id: header("requestid").to_owned(),
                is_error: header("streamtype") == "error",
                bytes: vec![],
            };
            streams.insert(stream, opened);
            Some(encoder.reply(stream))
        }
        Frame::Data { stream, bytes, fin } => Some(data(stream, &bytes, fin, streams, encoder, connect, simulation).await),
        Frame::Reset { stream } => {
            streams.remove(&stream);
            Some(vec![])
        }
        Frame::Ping { id } => Some(encoder.pong(id)),
        Frame::GoAway => None,
        Frame::Other => Some(vec![]),
    }
}

async fn data(
    id: u32,
    bytes: &[u8],
    fin: bool,
    streams: &mut BTreeMap<u32, Stream>,
    encoder: &Encoder,
    connect: &Connect,
    simulation: &Handle,
) -> Vec<u8> {
    let Some(stream) = streams.get_mut(&id).filter(|s| !s.is_error) else { return vec![] };
    stream.bytes.extend_from_slice(bytes);
    let mut out = if bytes.is_empty() { vec![] } else { encoder.grant(id, bytes.len()) };
    loop {
        match parse(&stream.bytes) {
            Parsed::Whole(length, request) => {
                stream.bytes.drain(..length);
                let call = ProxyCall { namespace: connect.namespace.clone(), pod: connect.pod.clone(), port: stream.port, ..request };
                let method = call.method.clone();
                match send(simulation, call).await {
                    Some(response) if response.status != 502 => out.extend(encoder.data(id, &written(&response, method == "HEAD"), false)),
                    _ => return fail(id, stream.port, streams, encoder, out),
                }
            }
            Parsed::More if stream.bytes.len() < REQUEST_BYTES_MAX => break,
            Parsed::More | Parsed::Nonsense => return fail(id, stream.port, streams, encoder, out),
        }
    }
    if fin {
        out.extend(encoder.data(id, b"", true));
        streams.remove(&id);
    }
    out
}

/// Ends a pair of streams with an error, as the kubelet tells it.
fn fail(id: u32, port: u16, streams: &mut BTreeMap<u32, Stream>, encoder: &Encoder, mut out: Vec<u8>) -> Vec<u8> {
    let Some(failed) = streams.remove(&id) else { return out };
    let error = streams.iter().find(|(_, s)| s.is_error && s.request_id == failed.request_id).map(|(id, _)| *id);
    if let Some(error) = error {
        let text = format!("an error occurred forwarding {port} -> {port}: connection refused, or not HTTP (only HTTP is simulated)");
        out.extend(encoder.data(error, text.as_bytes(), true));
        streams.remove(&error);
    }
    out.extend(encoder.data(id, b"", true));
    out
}

async fn send(simulation: &Handle, call: ProxyCall) -> Option<Response> {
    let (reply, answer) = oneshot::channel();
    if !simulation.send(Command::Proxy(Box::new(call), reply)) {
        return None;
    }
    answer.await.ok()
}

enum Parsed {
    Whole(usize, ProxyCall),
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
    let (method, path) = (request.method.unwrap_or("GET").to_owned(), request.path.unwrap_or("/").to_owned());
    Parsed::Whole(end, ProxyCall { namespace: String::new(), pod: String::new(), port: 0, method, path, headers, body })
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
        let Parsed::Whole(length, call) = parse(whole) else { panic!("it is whole") };
        assert_eq!((length, call.method.as_str(), call.path.as_str(), call.body.as_str()), (whole.len() - 3, "POST", "/kv/a", "abc"));
        assert!(matches!(parse(b"\x00\x01PING\r\n\r\n"), Parsed::Nonsense));
    }
}
