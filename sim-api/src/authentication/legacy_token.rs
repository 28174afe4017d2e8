//! Tokens of service accounts that lie in Secrets and do not end, as the serviceaccount-token controller makes them. Such a
//! token is good while its secret holds it and its account is there; the day it was last used is a label of the secret.
//! Source: pkg/serviceaccount/legacy.go.
//! Not modelled: the warning at the use of tokens that an account names in its `secrets`, which nothing makes any more.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Patch, Request, Status, TypedPatch, UserInfo, Verb};
use sim_core::cluster::Cluster;
use sim_core::credentials::unverified_claims;
use sim_core::time::SECOND;

use super::service_account::{groups, user_name};

/// Who issues them.
pub const ISSUER: &str = "kubernetes/serviceaccount";
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
const DAY: u64 = 86_400 * SECOND;

/// What a token claims.
struct Claims {
    namespace: String,
    secret: String,
    account: String,
    uid: String,
}

fn claim(claims: &Value, name: &str, word: &str) -> Result<String, String> {
    let text = claims[format!("kubernetes.io/serviceaccount/{name}")].as_str().unwrap_or_default();
    if text.is_empty() { Err(format!("{word} claim is missing")) } else { Ok(text.to_owned()) }
}

impl Claims {
    fn read(claims: &Value) -> Result<Claims, String> {
        let subject = claims["sub"].as_str().filter(|s| !s.is_empty()).ok_or("sub claim is missing")?;
        let read = Claims {
            namespace: claim(claims, "namespace", "namespace")?,
            secret: claim(claims, "secret.name", "secretName")?,
            account: claim(claims, "service-account.name", "serviceAccountName")?,
            uid: claim(claims, "service-account.uid", "serviceAccountUID")?,
        };
        if subject == user_name(&read.namespace, &read.account) { Ok(read) } else { Err("sub claim is invalid".into()) }
    }
}

/// The user of a token whose signature is right and that makes these claims.
pub fn authenticate(cluster: &Cluster, token: &str, claims: &Value) -> Result<UserInfo, String> {
    let Claims { namespace, secret, account, uid } = Claims::read(claims)?;
    let found = held(cluster, &namespace, &secret).filter(|s| s.metadata.deletion_timestamp.is_none());
    let found = found.ok_or("Token has been invalidated")?;
    if found.data.as_ref().and_then(|d| d.get("token")).is_none_or(|held| held.0 != token.as_bytes()) {
        return Err("Token does not match server's copy".into());
    }
    let owner = cluster.object(Kind::ServiceAccount, &namespace, &account);
    let owner = owner.ok_or_else(|| Status::not_found(Kind::ServiceAccount, &account).message)?;
    if owner.is_deleting() {
        return Err(format!("ServiceAccount {namespace}/{account} has been deleted"));
    }
    if owner.uid() != uid {
        return Err(format!("ServiceAccount UID ({}) does not match claim ({uid})", owner.uid()));
    }
    if label(found, INVALID_SINCE).is_some_and(|since| !since.is_empty()) {
        return Err(format!(
            "the token in secret {namespace}/{secret} for service account {namespace}/{account} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
        ));
    }
    Ok(UserInfo { name: user_name(&namespace, &account), uid, groups: groups(&namespace), extra: BTreeMap::new() })
}

/// Notes the day on which an accepted token was used; other tokens are nothing to note.
pub fn note_use(cluster: &mut Cluster, token: &str) {
    let Some(claims) = unverified_claims(token).filter(|claims| claims["iss"] == ISSUER) else { return };
    let Ok(Claims { namespace, secret, .. }) = Claims::read(&claims) else { return };
    let day = |at: sim_core::time::SimTime| at.to_time().0.strftime("%Y-%m-%d").to_string();
    let (today, tomorrow) = (day(cluster.now()), day(cluster.now().plus(DAY)));
    let Some(found) = held(cluster, &namespace, &secret) else { return };
    if label(found, LAST_USED).is_some_and(|used| used == today || used == tomorrow) {
        return;
    }
    let patch = Patch::Typed(TypedPatch::Labels(BTreeMap::from([(LAST_USED.to_owned(), Some(today))])));
    let key = ObjectKey::new(Kind::Secret, &namespace, &secret);
    let request = Request::new(&"kube-apiserver".into(), Verb::Patch { key, part: Part::Main, patch });
    // Without the label the token is as good.
    let _noted = cluster.serve(request, "note the use of a token");
}

fn held<'a>(cluster: &'a Cluster, namespace: &str, name: &str) -> Option<&'a Secret> {
    match cluster.object(Kind::Secret, namespace, name)? {
        Object::Secret(secret) => Some(secret),
        _ => None,
    }
}

fn label<'a>(secret: &'a Secret, name: &str) -> Option<&'a str> {
    secret.metadata.labels.as_ref()?.get(name).map(String::as_str)
}
