//! Tokens of service accounts: what they claim, and when they are good. A token is good while its account, and the pod,
//! secret or node it is bound to, are there with the same uid.
//! Source: pkg/serviceaccount/{claims,jwt}.go.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use sim_apimachinery::{Kind, ObjectKey, Status, UserInfo};
use sim_core::cluster::Cluster;
use sim_core::credentials::{TokenKey, unverified_claims};

use super::{Authenticated, ISSUER, legacy_token};

/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 60;
const INVALIDATED: &str = "service account token has been invalidated";

/// What a token is bound to, besides its account: `pod`, `secret` or `node`, and who that is.
pub type Bound<'a> = (&'static str, &'a ObjectMeta);

/// A token that is to be made.
pub struct Wanted<'a> {
    /// The account.
    pub account: &'a ObjectMeta,
    /// What it is bound to; for a pod also its node.
    pub bound: Vec<Bound<'a>>,
    /// For whom it is.
    pub audiences: &'a [String],
    /// How long it is good, in seconds.
    pub seconds: i64,
    /// After how many seconds its use is frowned upon.
    pub warn_after: Option<i64>,
    /// Its own name.
    pub id: String,
}

/// The signed token.
pub fn issue(cluster: &Cluster, wanted: &Wanted<'_>) -> String {
    let now = seconds(cluster);
    let reference = |m: &ObjectMeta| match m.uid.as_deref().unwrap_or_default() {
        "" => json!({"name": m.name}),
        uid => json!({"name": m.name, "uid": uid}),
    };
    let mut private = json!({"namespace": wanted.account.namespace, "serviceaccount": reference(wanted.account)});
    for (kind, metadata) in &wanted.bound {
        private[*kind] = reference(metadata);
    }
    if let Some(after) = wanted.warn_after {
        private["warnafter"] = (now + after).into();
    }
    let subject = user_name(wanted.account.namespace.as_deref().unwrap_or_default(), wanted.account.name.as_deref().unwrap_or_default());
    let claims = json!({
        "aud": wanted.audiences, "exp": now + wanted.seconds, "iat": now, "iss": ISSUER, "jti": wanted.id,
        "kubernetes.io": private, "nbf": now, "sub": subject,
    });
    key(cluster).sign(&claims)
}

/// The cluster's key: the uid of the namespace kube-system stands for the cluster.
pub fn key(cluster: &Cluster) -> std::sync::Arc<TokenKey> {
    TokenKey::of(cluster.object(Kind::Namespace, "", "kube-system").map_or("", |n| n.uid()))
}

/// Whom a token stands for; `None` if it is not one of this cluster's.
pub fn authenticate(cluster: &Cluster, token: &str, wanted: &[String]) -> Result<Option<Authenticated>, String> {
    let issuers = [ISSUER, legacy_token::ISSUER];
    if unverified_claims(token).is_none_or(|claims| !issuers.iter().any(|issuer| claims["iss"] == *issuer)) {
        return Ok(None);
    }
    let claims = key(cluster).verify(token)?;
    let own: Vec<String> = match &claims["aud"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => vec![ISSUER.to_owned()],
    };
    let audiences: Vec<String> = own.iter().filter(|a| wanted.contains(a)).cloned().collect();
    if audiences.is_empty() {
        return Err(format!("token audiences {} is invalid for the target audiences {}", quoted(&own), quoted(wanted)));
    }
    if claims["iss"] == legacy_token::ISSUER {
        return Ok(Some(Authenticated { user: legacy_token::authenticate(cluster, token, &claims)?, audiences }));
    }
    check_times(&claims, seconds(cluster))?;
    let user = check_references(cluster, &claims)?;
    Ok(Some(Authenticated { user, audiences }))
}

fn check_times(claims: &Value, now: i64) -> Result<(), String> {
    let after = |field: &str| claims[field].as_i64().is_some_and(|t| now + LEEWAY < t);
    if after("nbf") {
        return Err("service account token is not valid yet".into());
    }
    if claims["exp"].as_i64().is_some_and(|t| now - LEEWAY > t) {
        return Err("service account token has expired".into());
    }
    if after("iat") {
        return Err("service account token is issued in the future".into());
    }
    Ok(())
}

/// The user, if all that the token names is still there.
fn check_references(cluster: &Cluster, claims: &Value) -> Result<UserInfo, String> {
    let private = &claims["kubernetes.io"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (namespace, name, uid) =
        (text(&private["namespace"]), text(&private["serviceaccount"]["name"]), text(&private["serviceaccount"]["uid"]));
    let lost = || Status::not_found(Kind::ServiceAccount, &name).message;
    let found = find(cluster, Kind::ServiceAccount, &namespace, &name).ok_or_else(lost)?;
    if found.uid.as_deref() != Some(&uid) {
        return Err(format!("service account UID ({}) does not match claim ({uid})", found.uid.as_deref().unwrap_or_default()));
    }
    if was_deleted(found, cluster) {
        return Err(format!("service account {namespace}/{name} has been deleted"));
    }
    let is_pod = private["pod"].is_object();
    check_bound(cluster, &private["secret"], Kind::Secret, &namespace, "secret")?;
    check_bound(cluster, &private["pod"], Kind::Pod, &namespace, "pod")?;
    if !is_pod {
        check_bound(cluster, &private["node"], Kind::Node, "", "node")?;
    }
    let groups = groups(&namespace);
    Ok(UserInfo { name: user_name(&namespace, &name), uid, groups, extra: extra(claims) })
}

fn check_bound(cluster: &Cluster, reference: &Value, kind: Kind, namespace: &str, word: &str) -> Result<(), String> {
    if !reference.is_object() {
        return Ok(());
    }
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    let found = find(cluster, kind, namespace, text("name")).ok_or(INVALIDATED)?;
    let (own, claimed) = (found.uid.as_deref().unwrap_or_default(), text("uid"));
    if own != claimed {
        return Err(format!("{word} UID ({own}) does not match service account {word} ref claim ({claimed})"));
    }
    if was_deleted(found, cluster) { Err(INVALIDATED.into()) } else { Ok(()) }
}

fn find<'a>(cluster: &'a Cluster, kind: Kind, namespace: &str, name: &str) -> Option<&'a ObjectMeta> {
    cluster.etcd().get(&ObjectKey::new(kind, namespace, name)).map(|o| o.metadata())
}

fn was_deleted(metadata: &ObjectMeta, cluster: &Cluster) -> bool {
    metadata.deletion_timestamp.as_ref().is_some_and(|t| t.0.as_second() < seconds(cluster) - LEEWAY)
}

fn extra(claims: &Value) -> BTreeMap<String, Vec<String>> {
    let private = &claims["kubernetes.io"];
    let named = [
        ("pod-name", &private["pod"]["name"]),
        ("pod-uid", &private["pod"]["uid"]),
        ("node-name", &private["node"]["name"]),
        ("node-uid", &private["node"]["uid"]),
    ];
    let filled = named.into_iter().filter_map(|(key, value)| Some((key, value.as_str().filter(|v| !v.is_empty())?.to_owned())));
    let id = claims["jti"].as_str().filter(|id| !id.is_empty()).map(|id| ("credential-id", format!("JTI={id}")));
    filled.chain(id).map(|(key, value)| (format!("authentication.kubernetes.io/{key}"), vec![value])).collect()
}

/// `system:serviceaccount:NAMESPACE:NAME`.
pub fn user_name(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// The groups of a namespace's accounts.
pub fn groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")]
}

fn seconds(cluster: &Cluster) -> i64 {
    cluster.now().to_time().0.as_second()
}

/// Words as Go's `%q` prints a list of them.
fn quoted(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(" "))
}
