//! Who may speak: the administrator's token, made at the start, and the users of a static token file.

use std::path::Path;

use base64::Engine;
use ring::rand::{SecureRandom, SystemRandom};
use sim_apimachinery::UserInfo;

/// A token nobody can guess.
pub fn random_token() -> Result<String, String> {
    let mut bytes = [0_u8; 24];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system has no randomness to give".to_owned())?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// The user of the kubeconfig.
pub fn administrator() -> UserInfo {
    UserInfo { name: "kubernetes-admin".into(), groups: vec!["system:masters".into(), "system:authenticated".into()], ..Default::default() }
}

/// Reads a token file as the API server's `--token-auth-file`: `token,user,uid[,"group1,group2"]` a line.
pub fn read(path: &Path) -> Result<Vec<(String, UserInfo)>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let fields = fields(line);
        let [token, name, uid, rest @ ..] = fields.as_slice() else {
            return Err(format!("{}:{}: at least token, user name and uid are needed, separated by commas", path.display(), number + 1));
        };
        if token.is_empty() {
            return Err(format!("{}:{}: the token is empty", path.display(), number + 1));
        }
        let groups = rest.first().map_or("", String::as_str).split(',').filter(|g| !g.is_empty()).map(str::to_owned);
        let groups = groups.chain(["system:authenticated".to_owned()]).collect();
        found.push((token.clone(), UserInfo { name: name.clone(), uid: uid.clone(), groups, ..Default::default() }));
    }
    Ok(found)
}

/// The token of a WebSocket that a browser opens: it can set no header, so it names the token as one of its protocols.
/// Source: apiserver authentication/request/websocket/protocol.go.
pub fn in_protocols(headers: &[(String, String)]) -> Option<String> {
    const PREFIX: &str = "base64url.bearer.authorization.k8s.io.";
    let has = |name: &str| headers.iter().any(|(known, _)| known == name);
    if !has("upgrade") || has("authorization") {
        return None;
    }
    let protocols: Vec<&str> = headers
        .iter()
        .filter(|(name, _)| name == "sec-websocket-protocol")
        .flat_map(|(_, value)| value.split(','))
        .map(str::trim)
        .collect();
    let encoded = protocols.iter().find_map(|protocol| protocol.strip_prefix(PREFIX))?;
    // It must not be the only one: a client could not be told that it was understood.
    let is_alone = protocols.iter().all(|protocol| protocol.starts_with(PREFIX));
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).ok().filter(|_| !is_alone)?;
    String::from_utf8(bytes).ok()
}

/// The fields of a line of comma separated values; a field in double quotes may hold commas.
fn fields(line: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quoted = false;
    for character in line.trim().chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(String::new()),
            other => {
                if let Some(last) = found.last_mut() {
                    last.push(other);
                }
            }
        }
    }
    found.iter().map(|f| f.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_groups_hold_commas() {
        assert_eq!(fields("t,alice,7,\"dev,ops\""), ["t", "alice", "7", "dev,ops"]);
    }

    #[test]
    fn a_web_socket_brings_its_token_as_a_protocol_beside_another() {
        let check = |protocols: &str, more: &[(&str, &str)], token: Option<&str>| {
            let mut headers =
                vec![("upgrade".to_owned(), "websocket".to_owned()), ("sec-websocket-protocol".to_owned(), protocols.to_owned())];
            headers.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
            assert_eq!(in_protocols(&headers).as_deref(), token, "{protocols}");
        };
        let bearer = "base64url.bearer.authorization.k8s.io.c2VjcmV0LXRva2Vu";
        check(&format!("v5.channel.k8s.io, {bearer}"), &[], Some("secret-token"));
        check(bearer, &[], None);
        check(&format!("v5.channel.k8s.io, {bearer}"), &[("authorization", "Bearer other")], None);
        check("v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.***", &[], None);
        check("v5.channel.k8s.io", &[], None);
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(random_token(), random_token());
    }
}
