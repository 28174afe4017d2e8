//! How a request becomes a conversation with a container: over WebSocket, or over SPDY on the connection itself, whichever
//! the client asks for. A log is followed over plain HTTP.
//! Source: apimachinery/pkg/util/httpstream/spdy/upgrade.go, apimachinery/pkg/util/httpstream/httpstream.go (Handshake).

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sim_api::{Connect, ConnectKind};
use sim_apimachinery::{Reason, Status};

use crate::channels::{self, Channels, Wanted};
use crate::server::{refuse, stream};
use crate::simulation::Handle;
use crate::wire::Wire;
use crate::{port_forward, sockets};

/// The header that names the protocols a client speaks over SPDY.
const PROTOCOL_HEADER: &str = "x-stream-protocol-version";

/// What a client wants the connection to become.
pub enum Upgrade {
    /// A WebSocket.
    WebSocket(Box<WebSocketUpgrade>),
    /// SPDY, with the protocols it speaks.
    Spdy(OnUpgrade, Vec<String>),
    /// Nothing else than it is.
    None,
}

impl Upgrade {
    /// Reads it from a request.
    pub async fn of<S: Send + Sync>(parts: &mut Parts, state: &S) -> Upgrade {
        let is_spdy = parts.headers.get("upgrade").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"SPDY/3.1"));
        if is_spdy && let Some(upgrade) = parts.extensions.remove::<OnUpgrade>() {
            let each = parts.headers.get_all(PROTOCOL_HEADER).iter().filter_map(|v| v.to_str().ok());
            return Upgrade::Spdy(upgrade, each.flat_map(|v| v.split(',')).map(|v| v.trim().to_owned()).collect());
        }
        match WebSocketUpgrade::from_request_parts(parts, state).await {
            Ok(upgrade) => Upgrade::WebSocket(Box::new(upgrade)),
            Err(_) => Upgrade::None,
        }
    }
}

/// Begins the conversation that a request was admitted to.
pub fn connected(simulation: Handle, connect: Connect, upgrade: Upgrade) -> Response<Body> {
    if let ConnectKind::FollowLog { .. } = &connect.kind {
        let mut response = stream(sockets::follow(connect, simulation));
        response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
        return response;
    }
    match upgrade {
        Upgrade::WebSocket(upgrade) => over_web_socket(*upgrade, connect, simulation),
        Upgrade::Spdy(upgrade, spoken) => over_spdy(upgrade, &spoken, connect, simulation),
        Upgrade::None => refuse(&Status::new(Reason::BadRequest, "Upgrade request required")),
    }
}

fn over_web_socket(upgrade: WebSocketUpgrade, connect: Connect, simulation: Handle) -> Response<Body> {
    let upgrade = upgrade.max_message_size(1 << 20);
    let ConnectKind::PortForward { ports } = &connect.kind else {
        let upgrade = upgrade.protocols(channels::WEB_SOCKET_PROTOCOLS);
        return upgrade.on_upgrade(move |socket| sockets::serve(Channels::over_web_socket(socket), connect, simulation));
    };
    let ports = ports.clone();
    let upgrade = upgrade.protocols(port_forward::WEB_SOCKET_PROTOCOLS);
    if upgrade.selected_protocol().is_some_and(|name| name.as_bytes() == port_forward::TUNNEL.as_bytes()) {
        return upgrade.on_upgrade(move |socket| port_forward::serve(Wire::WebSocket(Box::new(socket)), connect, simulation));
    }
    if ports.is_empty() {
        return refuse(&Status::new(Reason::BadRequest, "query parameter \"port\" is required"));
    }
    upgrade.on_upgrade(move |socket| port_forward::serve_channels(socket, ports, connect, simulation))
}

fn over_spdy(upgrade: OnUpgrade, spoken: &[String], connect: Connect, simulation: Handle) -> Response<Body> {
    let protocol = match &connect.kind {
        ConnectKind::PortForward { .. } => port_forward::SPDY_PROTOCOL,
        _ => channels::SPDY_PROTOCOL,
    };
    if !spoken.iter().any(|name| name == protocol) {
        let text = format!("unable to upgrade: unable to negotiate protocol: client supports {spoken:?}, server accepts [{protocol}]");
        return refuse(&Status::new(Reason::Forbidden, text));
    }
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let wire = Wire::Upgraded(TokioIo::new(upgraded));
        match &connect.kind {
            ConnectKind::PortForward { .. } => port_forward::serve(wire, connect, simulation).await,
            kind => {
                let wanted = wanted(kind);
                sockets::serve(Channels::over_spdy(wire, wanted), connect, simulation).await;
            }
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in [("connection", "Upgrade"), ("upgrade", "SPDY/3.1"), (PROTOCOL_HEADER, protocol)] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn wanted(kind: &ConnectKind) -> Wanted {
    match kind {
        ConnectKind::Exec { stdin, stdout, stderr, tty, .. } => Wanted { stdin: *stdin, stdout: *stdout, stderr: *stderr, tty: *tty },
        ConnectKind::Attach { stdin, stdout, stderr, tty } => Wanted { stdin: *stdin, stdout: *stdout, stderr: *stderr, tty: *tty },
        ConnectKind::PortForward { .. } | ConnectKind::FollowLog { .. } => Wanted::default(),
    }
}
