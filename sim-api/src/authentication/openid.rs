//! What others need to check service account tokens: the discovery document and the public keys.
//! Source: pkg/routes/openidmetadata.go, pkg/serviceaccount/openidmetadata.go.

use serde_json::{Value, json};
use sim_core::cluster::Cluster;

use super::{ISSUER, service_account};
use crate::http::{Request, Response};

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/openid/v1/jwks";
/// How long clients may keep the answers, in seconds.
const CACHE_SECONDS: u32 = 3600;

/// Whether a path is one of these.
pub fn is_openid_path(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), DISCOVERY | KEYS)
}

/// Answers a request for one of these paths.
pub fn serve(cluster: &Cluster, request: &Request) -> Response {
    if request.path.trim_end_matches('/') == KEYS {
        return answer("application/jwk-set+json", &json!({"keys": [service_account::key(cluster).to_jwk()]}));
    }
    let discovery = json!({
        "issuer": ISSUER,
        "jwks_uri": format!("https://{}{KEYS}", request.host),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    answer("application/json", &discovery)
}

fn answer(media: &str, body: &Value) -> Response {
    let headers = vec![("Content-Type".into(), media.into()), ("Cache-Control".into(), format!("public, max-age={CACHE_SECONDS}"))];
    Response { status: 200, headers, body: body.to_string().into_bytes() }
}
