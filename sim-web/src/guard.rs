//! Which requests are let in at all: the Host must be ours, and so must the Origin a browser names.
//! Without this a page of a stranger could reach a server on loopback through the visitor's browser (DNS rebinding).

use std::net::SocketAddr;

/// What the server answers to.
#[derive(Clone, Debug)]
pub struct Guard {
    hosts: Vec<String>,
    port: u16,
    scheme: &'static str,
}

impl Guard {
    /// A server on this address, without TLS.
    pub fn plain(address: SocketAddr) -> Guard {
        Guard { scheme: "http://", ..Guard::new(address) }
    }

    /// A server on this address, with TLS.
    pub fn new(address: SocketAddr) -> Guard {
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]", "kubernetes", "kubernetes.default.svc"].map(String::from).to_vec();
        hosts.push(match address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        });
        Guard { hosts, port: address.port(), scheme: "https://" }
    }

    /// Why a request is not let in, if it is not. On every address (`0.0.0.0`) any Host that is an address is ours.
    pub fn refuses(&self, host: Option<&str>, origin: Option<&str>) -> Option<&'static str> {
        if !host.is_some_and(|h| self.is_ours(h)) {
            return Some("the Host of the request is not this server");
        }
        match origin {
            Some(origin) if !self.is_our_origin(origin) => Some("requests from other origins are not served"),
            _ => None,
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let (name, port) = split(host);
        let named = self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name));
        let any =
            self.hosts.iter().any(|h| h == "0.0.0.0" || h == "[::]") && name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        (named || any) && port.is_none_or(|p| p == self.port)
    }

    fn is_our_origin(&self, origin: &str) -> bool {
        origin.strip_prefix(self.scheme).is_some_and(|host| self.is_ours(host) && split(host).1 == Some(self.port))
    }
}

/// The name and the port of a Host.
fn split(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && !port.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (host, Some(0)),
        },
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_not_let_in() {
        let guard = Guard::new(([127, 0, 0, 1], 7443).into());
        for ours in ["127.0.0.1:7443", "localhost:7443", "localhost", "[::1]:7443"] {
            assert_eq!(guard.refuses(Some(ours), None), None, "{ours}");
        }
        for strange in ["evil.example:7443", "127.0.0.1:80", "localhost.evil.example", "", "127.0.0.1:x"] {
            assert!(guard.refuses(Some(strange), None).is_some(), "{strange}");
        }
        assert!(guard.refuses(None, None).is_some());
        assert_eq!(guard.refuses(Some("localhost:7443"), Some("https://localhost:7443")), None);
        assert!(guard.refuses(Some("localhost:7443"), Some("https://evil.example")).is_some());
        assert!(guard.refuses(Some("localhost:7443"), Some("http://localhost:7443")).is_some());
        assert!(guard.refuses(Some("localhost:7443"), Some("null")).is_some());
        let plain = Guard::plain(([127, 0, 0, 1], 7444).into());
        assert_eq!(plain.refuses(Some("127.0.0.1:7444"), Some("http://127.0.0.1:7444")), None);
        assert!(plain.refuses(Some("127.0.0.1:7444"), Some("https://127.0.0.1:7444")).is_some());
        assert!(plain.refuses(Some("evil.example:7444"), Some("http://evil.example:7444")).is_some());
    }
}
