//! Calls to webhooks outside of the cluster, over HTTPS with the certificates their configuration names.
//! What goes wrong is told in the words of Go's client, which users of the API server know.
//! Not modelled: connections that are kept open between calls.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sim_core::kube_apiserver::admission_webhooks::{Phase, Target, WebhookAnswer, WebhookCall, http_failure};

/// An answer may have this many bytes.
const ANSWER_BYTES_MAX: u64 = 3 << 20;

/// Which request waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Waiting {
    /// One of the HTTP requests of the session.
    Client(u64),
    /// One of the requests of the cluster's own components.
    Component(u64),
    /// One of the open watches, which change nothing: what they wait for is not part of the session.
    Watch(u64),
}

/// Makes a call and says what came of it. It takes as long as its timeout allows.
pub fn post(call: &WebhookCall) -> WebhookAnswer {
    call.answered(send(call))
}

fn send(call: &WebhookCall) -> Result<Value, String> {
    let Target::Url(url) = &call.target else { return Err(call.unreachable("a service is not outside of the cluster")) };
    let agent = agent(call)?;
    let request = agent
        .post(call.address())
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, */*")
        .header("User-Agent", if call.phase == Phase::Converting { "Go-http-client/1.1" } else { "kube-apiserver-admission" });
    let mut response = request.send(call.review.to_string()).map_err(|e| call.unreachable(&told(&e, url)))?;
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(|e| told(&e, url))?;
    match response.status().as_u16() {
        200..=206 => serde_json::from_str(&body).map_err(|e| format!("couldn't get version/kind; json parse error: {e}")),
        code => Err(http_failure(code, body.trim_end())),
    }
}

fn agent(call: &WebhookCall) -> Result<ureq::Agent, String> {
    let mut tls = ureq::tls::TlsConfig::builder();
    if !call.ca_bundle.is_empty() {
        let certificates: Result<Vec<_>, _> = ureq::tls::parse_pem(&call.ca_bundle)
            .filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                Ok(_) => None,
                Err(e) => Some(Err(e)),
            })
            .collect();
        let certificates = certificates.map_err(|_| "unable to load root certificates: unable to parse bytes as PEM block".to_owned())?;
        tls = tls.root_certs(ureq::tls::RootCerts::new_with_certs(&certificates));
    }
    let timeout = Duration::from_secs(u64::try_from(call.timeout_seconds).unwrap_or(10).max(1));
    let config = ureq::Agent::config_builder().tls_config(tls.build()).http_status_as_error(false).max_redirects(0).proxy(None);
    Ok(config.timeout_global(Some(timeout)).build().into())
}

/// What went wrong, as Go's client tells it.
fn told(error: &ureq::Error, url: &str) -> String {
    let place = place(url);
    match error {
        ureq::Error::Timeout(_) => "context deadline exceeded".into(),
        ureq::Error::HostNotFound => format!("dial tcp: lookup {}: no such host", place.split(':').next().unwrap_or_default()),
        ureq::Error::ConnectionFailed => format!("dial tcp {place}: connect: connection refused"),
        ureq::Error::Io(e) => match e.kind() {
            std::io::ErrorKind::ConnectionRefused => format!("dial tcp {place}: connect: connection refused"),
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => "context deadline exceeded".into(),
            std::io::ErrorKind::ConnectionReset => format!("read tcp {place}: read: connection reset by peer"),
            std::io::ErrorKind::UnexpectedEof => "EOF".into(),
            _ => of_text(&e.to_string()),
        },
        other => of_text(&other.to_string()),
    }
}

/// What the TLS library says, in Go's words where they are known.
fn of_text(text: &str) -> String {
    const VERIFY: &str = "tls: failed to verify certificate: x509: ";
    if text.contains("UnknownIssuer") || text.contains("BadSignature") {
        format!("{VERIFY}certificate signed by unknown authority")
    } else if text.contains("Expired") {
        format!("{VERIFY}certificate has expired or is not yet valid")
    } else if text.contains("NotValidForName") {
        format!("{VERIFY}certificate is not valid for any names")
    } else {
        text.to_owned()
    }
}

/// Where a URL leads: the address if its name is known, and the port.
fn place(url: &str) -> String {
    let host = url.trim_start_matches("https://").split(['/', '?']).next().unwrap_or_default();
    let with_port =
        if host.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok()) { host.to_owned() } else { format!("{host}:443") };
    let address: Option<SocketAddr> = with_port.to_socket_addrs().ok().and_then(|mut found| found.next());
    address.map_or(with_port, |a| a.to_string())
}
