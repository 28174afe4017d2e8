//! TokenReview: whose is a token? And SelfSubjectReview: who am I?
//! Sources: pkg/registry/authentication/{tokenreview,selfsubjectreview}.

use serde_json::{Map, Value, json};
use sim_apimachinery::UserInfo;
use sim_core::cluster::Cluster;

use super::{Authentication, ISSUER};
use crate::frontend::Outcome;
use crate::respond::bad_request;

/// Answers a TokenReview, decoded and with its managed fields.
pub fn review(authentication: &Authentication, cluster: &Cluster, mut review: Value) -> Outcome<Value> {
    let spec = &review["spec"];
    let token = spec["token"].as_str().unwrap_or_default().to_owned();
    if token.is_empty() {
        return Err(bad_request("token is required for TokenReview in authentication"));
    }
    let mut audiences: Vec<String> =
        spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    // The token is put into a header, from which the first word is taken.
    let first = token.split(' ').next().unwrap_or_default();
    review["status"] = match authentication.authenticate_token(cluster, first, &audiences) {
        Ok(found) => json!({"authenticated": true, "user": shown(&found.user), "audiences": found.audiences}),
        Err(why) => json!({"user": {}, "error": why}),
    };
    Ok(review)
}

/// Answers a SelfSubjectReview; the moment is the answer's creation time.
pub fn self_review(cluster: &Cluster, user: &UserInfo) -> Value {
    json!({
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": cluster.now().to_time()},
        "status": {"userInfo": shown(user)},
    })
}

fn shown(user: &UserInfo) -> Value {
    let mut shown = Map::new();
    for (field, text) in [("username", &user.name), ("uid", &user.uid)] {
        if !text.is_empty() {
            shown.insert(field.into(), text.as_str().into());
        }
    }
    if !user.groups.is_empty() {
        shown.insert("groups".into(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        shown.insert("extra".into(), json!(user.extra));
    }
    Value::Object(shown)
}
