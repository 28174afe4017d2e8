//! Bytes both ways with a client, inside the messages of a WebSocket or on a connection that was upgraded to SPDY.
//! Promise: when we close, what the client still sends is read for a moment, so that what we sent last is not lost.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long the client may take to close, once we have.
const LINGER: Duration = Duration::from_secs(2);
/// How much is read at once.
const READ_BYTES: usize = 16 << 10;

/// A connection that carries bytes.
pub enum Wire {
    /// Inside the binary messages of a WebSocket.
    WebSocket(Box<WebSocket>),
    /// The bare connection.
    Upgraded(TokioIo<Upgraded>),
}

impl Wire {
    /// The next bytes; `None` when the client is done.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        match self {
            Wire::WebSocket(socket) => receive(socket).await,
            Wire::Upgraded(connection) => {
                let mut bytes = vec![0; READ_BYTES];
                let length = connection.read(&mut bytes).await.ok().filter(|length| *length > 0)?;
                bytes.truncate(length);
                Some(bytes)
            }
        }
    }

    /// Sends bytes; false when the client is gone.
    pub async fn send(&mut self, bytes: Vec<u8>) -> bool {
        match self {
            Wire::WebSocket(socket) => socket.send(Message::Binary(bytes.into())).await.is_ok(),
            Wire::Upgraded(connection) => connection.write_all(&bytes).await.is_ok() && connection.flush().await.is_ok(),
        }
    }

    /// Ends the connection in good order.
    pub async fn close(self) {
        match self {
            Wire::WebSocket(socket) => close(*socket).await,
            Wire::Upgraded(mut connection) => {
                let _gone = connection.shutdown().await;
                let mut wire = Wire::Upgraded(connection);
                let _late = tokio::time::timeout(LINGER, async { while wire.receive().await.is_some() {} }).await;
            }
        }
    }
}

/// The bytes of the next message, whether it says that they are text or not; `None` when the client is done.
pub async fn receive(socket: &mut WebSocket) -> Option<Vec<u8>> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Binary(bytes) => return Some(bytes.to_vec()),
            Message::Text(text) => return Some(text.as_bytes().to_vec()),
            Message::Close(_) => return None,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

/// Closes a WebSocket and waits a moment for the client to do the same.
pub async fn close(mut socket: WebSocket) {
    let _gone = socket.send(Message::Close(Some(CloseFrame { code: 1000, reason: "".into() }))).await;
    let _late = tokio::time::timeout(LINGER, async { while receive(&mut socket).await.is_some() {} }).await;
}
