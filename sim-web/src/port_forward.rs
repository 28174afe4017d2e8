//! `kubectl port-forward` and its like. Over SPDY (the connection itself, or inside the messages of a WebSocket) each
//! connection is a pair of streams, one for bytes and one for errors. Over the channels of a WebSocket each port of the
//! request has one connection, with channel 2n for bytes and 2n+1 for errors, each begun with the port's number.
//! Source: kubelet/pkg/cri/streaming/portforward.

use std::collections::BTreeMap;

use axum::extract::ws::{Message, WebSocket};
use sim_api::Connect;

use crate::forwarded::{Forwarded, Next};
use crate::simulation::Handle;
use crate::spdy::{Decoder, Encoder, Frame};
use crate::wire::{self, Wire};

/// The subprotocols of port-forward over WebSocket: the first carries SPDY, the second channels.
pub const WEB_SOCKET_PROTOCOLS: [&str; 2] = [TUNNEL, "v4.channel.k8s.io"];
/// SPDY inside a WebSocket.
pub const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// The protocol over SPDY.
pub const SPDY_PROTOCOL: &str = "portforward.k8s.io";
/// Streams a client may have open.
const STREAMS_MAX: usize = 1000;

/// Forwards over the channels of a WebSocket until the client leaves or every connection is over.
pub async fn serve_channels(mut socket: WebSocket, ports: Vec<u16>, connect: Connect, simulation: Handle) {
    let mut open: BTreeMap<u8, Forwarded> = BTreeMap::new();
    for (channel, port) in (0_u8..).step_by(2).zip(ports) {
        let mut forwarded = Forwarded::new(port);
        let refused = forwarded.dial(&connect, &simulation).await;
        open.insert(channel, forwarded);
        let error_channel = channel.saturating_add(1);
        for channel in [channel, error_channel] {
            let [low, high] = port.to_le_bytes();
            if socket.send(Message::Binary(vec![channel, low, high].into())).await.is_err() {
                return;
            }
        }
        if let Some(why) = refused {
            open.remove(&channel);
            let framed: Vec<u8> = [error_channel].into_iter().chain(why.into_bytes()).collect();
            if socket.send(Message::Binary(framed.into())).await.is_err() {
                return;
            }
        }
    }
    while !open.is_empty() {
        let Some(bytes) = wire::receive(&mut socket).await else { return };
        let Some((channel, bytes)) = bytes.split_first() else { continue };
        let Some(forwarded) = open.get_mut(channel) else { continue };
        let (out, error, over) = match forwarded.feed(bytes, &connect, &simulation).await {
            Next::Open(out) => (out, String::new(), false),
            Next::Closed(out) => (out, String::new(), true),
            Next::Broken(out, error) => (out, error, true),
        };
        for (channel, bytes) in [(*channel, out), (channel.saturating_add(1), error.into_bytes())] {
            let framed: Vec<u8> = [channel].into_iter().chain(bytes).collect();
            if framed.len() > 1 && socket.send(Message::Binary(framed.into())).await.is_err() {
                return;
            }
        }
        if over {
            open.remove(channel);
        }
    }
    wire::close(socket).await;
}

struct Stream {
    port: u16,
    request_id: String,
    is_error: bool,
    forwarded: Forwarded,
}

/// Forwards over SPDY until the client leaves.
pub async fn serve(mut wire: Wire, connect: Connect, simulation: Handle) {
    let mut forwarder = Forwarder { streams: BTreeMap::new(), encoder: Encoder::new(), connect, simulation };
    let mut decoder = Decoder::new();
    while let Some(bytes) = wire.receive().await {
        let Ok(frames) = decoder.feed(&bytes) else { break };
        for frame in frames {
            let Some(answer) = forwarder.take(frame).await else { return wire.close().await };
            if !answer.is_empty() && !wire.send(answer).await {
                return;
            }
        }
    }
    wire.close().await;
}

struct Forwarder {
    streams: BTreeMap<u32, Stream>,
    encoder: Encoder,
    connect: Connect,
    simulation: Handle,
}

impl Forwarder {
    /// What is sent for a frame; `None` when the connection is over.
    async fn take(&mut self, frame: Frame) -> Option<Vec<u8>> {
        match frame {
            Frame::Open { stream, headers, .. } => {
                let header = |name: &str| headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
                if self.streams.len() >= STREAMS_MAX {
                    return None;
                }
                let port = header("port").parse().unwrap_or(0);
                let (request_id, is_error) = (header("requestid").to_owned(), header("streamtype") == "error");
                let mut forwarded = Forwarded::new(port);
                let refused = if is_error { None } else { forwarded.dial(&self.connect, &self.simulation).await };
                self.streams.insert(stream, Stream { port, request_id, is_error, forwarded });
                let mut out = self.encoder.reply(stream);
                if refused.is_some() {
                    out.extend(self.end(stream, refused));
                }
                Some(out)
            }
            Frame::Data { stream, bytes, fin } => Some(self.data(stream, &bytes, fin).await),
            Frame::Reset { stream } => {
                self.streams.remove(&stream);
                Some(vec![])
            }
            Frame::Ping { id } => Some(self.encoder.pong(id)),
            Frame::GoAway => None,
            Frame::Other => Some(vec![]),
        }
    }

    async fn data(&mut self, id: u32, bytes: &[u8], fin: bool) -> Vec<u8> {
        let Some(stream) = self.streams.get_mut(&id).filter(|s| !s.is_error) else { return vec![] };
        let mut out = if bytes.is_empty() { vec![] } else { self.encoder.grant(id, bytes.len()) };
        let (answer, error, over) = match stream.forwarded.feed(bytes, &self.connect, &self.simulation).await {
            Next::Open(answer) => (answer, None, fin),
            Next::Closed(answer) => (answer, None, true),
            Next::Broken(answer, error) => (answer, Some(error), true),
        };
        if !answer.is_empty() {
            out.extend(self.encoder.data(id, &answer, false));
        }
        if over {
            out.extend(self.end(id, error));
        }
        out
    }

    /// Ends a pair of streams, with an error if there is one.
    fn end(&mut self, id: u32, error: Option<String>) -> Vec<u8> {
        let Some(ended) = self.streams.remove(&id) else { return vec![] };
        let mut out = vec![];
        let paired = |s: &Stream| s.is_error && s.request_id == ended.request_id && s.port == ended.port;
        if let Some(other) = self.streams.iter().find(|(_, s)| paired(s)).map(|(id, _)| *id) {
            out.extend(self.encoder.data(other, error.unwrap_or_default().as_bytes(), true));
            self.streams.remove(&other);
        }
        out.extend(self.encoder.data(id, b"", true));
        out
    }
}
