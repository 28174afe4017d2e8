//! IP addresses and networks. Source: apiserver pkg/cel/library/{ip,cidr}.go: no zones, no IPv4 inside IPv6.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::Value;

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("ip", [Value::String(s)]) => address(s).map(Value::Ip),
        ("isIP", [Value::String(s)]) => Ok(Value::Bool(address(s).is_ok())),
        ("ip.isCanonical", [Value::String(s)]) => address(s).map(|ip| Value::Bool(ip.to_string() == **s)),
        ("family", [Value::Ip(ip)]) => Ok(Value::Int(if ip.is_ipv4() { 4 } else { 6 })),
        ("isUnspecified", [Value::Ip(ip)]) => Ok(Value::Bool(ip.is_unspecified())),
        ("isLoopback", [Value::Ip(ip)]) => Ok(Value::Bool(ip.is_loopback())),
        ("isLinkLocalUnicast", [Value::Ip(ip)]) => Ok(Value::Bool(is_link_local(ip))),
        ("isLinkLocalMulticast", [Value::Ip(ip)]) => Ok(Value::Bool(is_link_local_multicast(ip))),
        ("isGlobalUnicast", [Value::Ip(ip)]) => Ok(Value::Bool(is_global(ip))),
        ("cidr", [Value::String(s)]) => network(s).map(Value::Cidr),
        ("isCIDR", [Value::String(s)]) => Ok(Value::Bool(network(s).is_ok())),
        ("containsIP", [Value::Cidr(net), Value::Ip(ip)]) => Ok(Value::Bool(net.contains(ip))),
        ("containsIP", [Value::Cidr(net), Value::String(s)]) => address(s).map(|ip| Value::Bool(net.contains(&ip))),
        ("containsCIDR", [Value::Cidr(net), Value::Cidr(other)]) => Ok(Value::Bool(net.contains(other))),
        ("containsCIDR", [Value::Cidr(net), Value::String(s)]) => network(s).map(|other| Value::Bool(net.contains(&other))),
        ("ip", [Value::Cidr(net)]) => Ok(Value::Ip(net.addr())),
        ("masked", [Value::Cidr(net)]) => Ok(Value::Cidr(net.trunc())),
        ("prefixLength", [Value::Cidr(net)]) => Ok(Value::Int(i64::from(net.prefix_len()))),
        _ => return None,
    })
}

fn address(text: &str) -> Result<IpAddr, EvaluationError> {
    let why = || {
        EvaluationError::new(format!(
            "IP Address {text:?} parse error during conversion from string: ParseAddr({text:?}): unable to parse IP"
        ))
    };
    if text.contains('%') {
        return Err(EvaluationError::new(format!("IP address with zone value is not allowed: {text:?}")));
    }
    let ip: IpAddr = text.parse().map_err(|_| why())?;
    match ip {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Err(EvaluationError::new(format!("IPv4-mapped IPv6 address is not allowed: {text:?}")))
        }
        ip => Ok(ip),
    }
}

fn network(text: &str) -> Result<IpNet, EvaluationError> {
    let why =
        || EvaluationError::new(format!("network address parse error during conversion from string: netip.ParsePrefix({text:?}): no '/'"));
    let net: IpNet = text.parse().map_err(|_| why())?;
    Ok(net)
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn is_link_local_multicast(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    }
}

fn is_global(ip: &IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !is_broadcast && !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !is_link_local(ip)
}
