//! The conversation of exec and attach as numbered channels: 0 input, 1 output, 2 errors, 3 the outcome, 4 the terminal's size.
//! Over WebSocket (`v5.channel.k8s.io`, `v4.channel.k8s.io`) each message begins with its channel's number, and 255 closes
//! one; over SPDY (`v4.channel.k8s.io`) each channel is a stream that the client opens, named by its header `streamtype`.
//! A task per connection carries messages both ways; dropping [`Channels`] sends what is left and closes the connection.
//! Not modelled: the terminal's size, the older protocols of WebSocket (base64 ones among them) and of SPDY.
//! Source: apimachinery/pkg/util/remotecommand, client-go/tools/remotecommand, kubelet/pkg/cri/streaming/remotecommand.

use std::collections::BTreeMap;

use axum::extract::ws::{Message, WebSocket};
use tokio::sync::mpsc;

use crate::spdy::{Decoder, Encoder, Frame};
use crate::wire::{self, Wire};

/// Input.
pub const STDIN: u8 = 0;
/// Output.
pub const STDOUT: u8 = 1;
/// Errors.
pub const STDERR: u8 = 2;
/// What the command came to.
pub const OUTCOME: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;
/// The subprotocols over WebSocket, best first.
pub const WEB_SOCKET_PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
/// The protocol over SPDY.
pub const SPDY_PROTOCOL: &str = "v4.channel.k8s.io";
/// Messages that may wait in each direction.
const MESSAGES_MAX: usize = 64;
/// Bytes of one SPDY frame.
const FRAME_BYTES: usize = 16 << 10;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Input.
    Input(Vec<u8>),
    /// There will be no more input.
    InputEnded,
}

/// One end of a conversation.
pub struct Channels {
    out: mpsc::Sender<(u8, Vec<u8>)>,
    heard: mpsc::Receiver<Heard>,
}

/// Which channels a conversation has besides the outcome.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Input.
    pub stdin: bool,
    /// Output.
    pub stdout: bool,
    /// Errors of their own.
    pub stderr: bool,
    /// A terminal, which has a size and no errors of its own.
    pub tty: bool,
}

impl Wanted {
    /// How many streams a client opens, the outcome's included.
    fn streams(self) -> usize {
        let each = [true, self.stdin, self.stdout, self.stderr && !self.tty, self.tty];
        each.into_iter().filter(|wanted| *wanted).count()
    }
}

impl Channels {
    /// Over WebSocket.
    pub fn over_web_socket(socket: WebSocket) -> Channels {
        let (out, outgoing) = mpsc::channel(MESSAGES_MAX);
        let (say, heard) = mpsc::channel(MESSAGES_MAX);
        tokio::spawn(carry_web_socket(socket, outgoing, say));
        Channels { out, heard }
    }

    /// Over a connection that speaks SPDY.
    pub fn over_spdy(wire: Wire, wanted: Wanted) -> Channels {
        let (out, outgoing) = mpsc::channel(MESSAGES_MAX);
        let (say, heard) = mpsc::channel(MESSAGES_MAX);
        tokio::spawn(Spdy::new(wire, wanted, say).carry(outgoing));
        Channels { out, heard }
    }

    /// Sends on a channel; false when the client is gone.
    pub async fn send(&self, channel: u8, bytes: &[u8]) -> bool {
        self.out.send((channel, bytes.to_vec())).await.is_ok()
    }

    /// What the client says next; `None` when it is gone.
    pub async fn heard(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

async fn carry_web_socket(mut socket: WebSocket, mut out: mpsc::Receiver<(u8, Vec<u8>)>, say: mpsc::Sender<Heard>) {
    loop {
        // Nothing is read while what was read before is not taken. Who listens no longer is no reason to stop reading.
        let next = async {
            let room = say.reserve().await.ok();
            (room, wire::receive(&mut socket).await)
        };
        tokio::select! {
            (room, bytes) = next => match bytes {
                Some(bytes) => if let (Some(room), Some(heard)) = (room, heard(&bytes)) { room.send(heard) },
                None => return,
            },
            message = out.recv() => match message {
                Some((channel, bytes)) => {
                    let framed: Vec<u8> = [channel].into_iter().chain(bytes).collect();
                    if socket.send(Message::Binary(framed.into())).await.is_err() {
                        return;
                    }
                }
                None => return wire::close(socket).await,
            },
        }
    }
}

fn heard(message: &[u8]) -> Option<Heard> {
    match message.split_first()? {
        (&STDIN, bytes) => Some(Heard::Input(bytes.to_vec())),
        (&CLOSE, [STDIN]) => Some(Heard::InputEnded),
        _ => None,
    }
}

/// A conversation over SPDY.
struct Spdy {
    wire: Wire,
    say: mpsc::Sender<Heard>,
    /// Streams that the client has still to open.
    missing: usize,
    /// Channel to stream.
    streams: BTreeMap<u8, u32>,
    decoder: Decoder,
    encoder: Encoder,
}

impl Spdy {
    fn new(wire: Wire, wanted: Wanted, say: mpsc::Sender<Heard>) -> Spdy {
        Spdy { wire, say, missing: wanted.streams(), streams: BTreeMap::new(), decoder: Decoder::new(), encoder: Encoder::new() }
    }

    async fn carry(mut self, mut out: mpsc::Receiver<(u8, Vec<u8>)>) {
        loop {
            let next = async {
                let room = self.say.clone().reserve_owned().await.ok();
                (room, self.wire.receive().await)
            };
            tokio::select! {
                (room, bytes) = next => {
                    drop(room);
                    let Some(bytes) = bytes else { return };
                    if !self.take(&bytes).await {
                        return self.wire.close().await;
                    }
                }
                message = out.recv(), if self.missing == 0 => match message {
                    Some((channel, bytes)) => if !self.send(channel, &bytes).await { return },
                    None => return self.end().await,
                },
            }
        }
    }

    /// Sends on a channel and, where it is the outcome, ends it.
    async fn send(&mut self, channel: u8, bytes: &[u8]) -> bool {
        let Some(stream) = self.streams.get(&channel).copied() else { return true };
        for piece in bytes.chunks(FRAME_BYTES) {
            if !self.wire.send(self.encoder.data(stream, piece, false)).await {
                return false;
            }
        }
        true
    }

    async fn end(mut self) {
        for stream in self.streams.values() {
            if !self.wire.send(self.encoder.data(*stream, b"", true)).await {
                return;
            }
        }
        self.wire.close().await;
    }

    /// Takes in bytes; false when the client is gone or talks nonsense.
    async fn take(&mut self, bytes: &[u8]) -> bool {
        let Ok(frames) = self.decoder.feed(bytes) else { return false };
        for frame in frames {
            let answer = match frame {
                Frame::Open { stream, headers, .. } => self.open(stream, &headers),
                Frame::Data { stream, bytes, fin } => self.input(stream, bytes, fin).await,
                Frame::Ping { id } => self.encoder.pong(id),
                Frame::GoAway => return false,
                Frame::Reset { .. } | Frame::Other => vec![],
            };
            if !answer.is_empty() && !self.wire.send(answer).await {
                return false;
            }
        }
        true
    }

    fn open(&mut self, stream: u32, headers: &[(String, String)]) -> Vec<u8> {
        let kind = headers.iter().find(|(name, _)| name == "streamtype").map_or("", |(_, value)| value);
        let channel = match kind {
            "stdin" => STDIN,
            "stdout" => STDOUT,
            "stderr" => STDERR,
            "error" => OUTCOME,
            "resize" => RESIZE,
            _ => return vec![],
        };
        if self.streams.insert(channel, stream).is_none() {
            self.missing = self.missing.saturating_sub(1);
        }
        self.encoder.reply(stream)
    }

    async fn input(&mut self, stream: u32, bytes: Vec<u8>, fin: bool) -> Vec<u8> {
        let granted = if bytes.is_empty() { vec![] } else { self.encoder.grant(stream, bytes.len()) };
        if self.streams.get(&STDIN) == Some(&stream) {
            if !bytes.is_empty() {
                let _nobody_listens = self.say.send(Heard::Input(bytes)).await;
            }
            if fin {
                let _nobody_listens = self.say.send(Heard::InputEnded).await;
            }
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_told_from_its_end_and_from_the_terminals_size() {
        assert_eq!(heard(b"\x00ls\n"), Some(Heard::Input(b"ls\n".to_vec())));
        assert_eq!(heard(&[CLOSE, STDIN]), Some(Heard::InputEnded));
        assert_eq!((heard(b"\x04{}"), heard(b"")), (None, None));
    }

    #[test]
    fn a_terminal_has_a_size_and_no_errors_of_its_own() {
        let all = Wanted { stdin: true, stdout: true, stderr: true, tty: false };
        assert_eq!((all.streams(), Wanted { tty: true, ..all }.streams(), Wanted::default().streams()), (4, 4, 1));
        assert_eq!(Wanted { stdout: true, stderr: true, tty: true, ..Wanted::default() }.streams(), 3);
    }
}
