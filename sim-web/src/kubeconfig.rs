//! The kubeconfig of a running server: written where only its owner can read it, never over the user's default one.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::certificates::Identity;
use crate::journal::write_private;

/// Where the kubeconfig of the last started server lies unless another place is asked for.
pub fn default_path() -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| ".".into())).join(".local/state");
    state.filter(|p| p.is_absolute()).unwrap_or_else(home).join("ksim/kubeconfig")
}

/// Writes it. The user's default kubeconfig is refused as a place.
pub fn write(path: &Path, server: &str, identity: &Identity, token: &str) -> Result<(), String> {
    let default = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    if default.is_some_and(|d| same_place(&d, path)) {
        return Err(format!("{}: this is your default kubeconfig; choose another file with --kubeconfig", path.display()));
    }
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    write_private(path, text(server, identity, token).as_bytes())
}

fn same_place(a: &Path, b: &Path) -> bool {
    let whole = |p: &Path| std::fs::canonicalize(p).or_else(|_| std::path::absolute(p)).ok();
    whole(a).is_some() && whole(a) == whole(b)
}

fn text(server: &str, identity: &Identity, token: &str) -> String {
    let encode = |pem: &str| BASE64_STANDARD.encode(pem);
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "ksim", "cluster": {"server": server, "certificate-authority-data": encode(&identity.authority_pem)}}],
        "users": [{"name": "ksim", "user": {
            "client-certificate-data": encode(&identity.admin_pem), "client-key-data": encode(&identity.admin_key_pem), "token": token,
        }}],
        "contexts": [{"name": "ksim", "context": {"cluster": "ksim", "user": "ksim"}}],
        "current-context": "ksim",
    });
    // JSON is YAML.
    serde_json::to_string_pretty(&config).unwrap_or_default() + "\n"
}
