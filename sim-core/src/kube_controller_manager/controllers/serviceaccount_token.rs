//! Fills Secrets of type `kubernetes.io/service-account-token` with a token that does not end, and deletes them with their
//! service account (serviceaccount-token-controller). Reads accounts and secrets; asks for updates and deletions.
//! The token is signed with the cluster's key for tokens; it is good while the secret holds it.
//! Source: pkg/controller/serviceaccount/tokens_controller.go, pkg/serviceaccount/legacy.go.
//! A secret is written as the cache knows it, where Kubernetes reads it again first; a cache that is behind is a conflict.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use serde_json::json;
use sim_apimachinery::{Answer, DeleteOptions, Kind, Object, ObjectKey, Part, Reply, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::credentials::{Authority, TokenKey};

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
const ISSUER: &str = "kubernetes/serviceaccount";
/// Stage of a plan that asked whether the account is really not there.
const ACCOUNT_READ: u8 = 1;

/// The controller with the authority it tells of; it remembers whose secrets are gone until that is dealt with.
#[derive(Clone, Debug)]
pub struct ServiceAccountTokenController {
    authority: Arc<Authority>,
    gone: BTreeMap<ObjectKey, String>,
}

impl ServiceAccountTokenController {
    /// A controller that hands out this authority's certificate.
    pub fn new(authority: &Arc<Authority>) -> Self {
        ServiceAccountTokenController { authority: authority.clone(), gone: BTreeMap::new() }
    }
}

impl Controller for ServiceAccountTokenController {
    fn name(&self) -> &'static str {
        "serviceaccount-token-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        // The namespace kube-system stands for the cluster whose key signs.
        &[Kind::ServiceAccount, Kind::Secret, Kind::Namespace]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::ServiceAccount(_) if event.change == ChangeType::Deleted => wake.now(event.object.key()),
            Object::Secret(secret) => {
                let Some(account) = account_of(secret) else { return };
                if event.change == ChangeType::Deleted {
                    self.gone.insert(event.object.key(), account.to_owned());
                }
                wake.now(event.object.key());
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        if key.kind == Kind::ServiceAccount {
            return orphaned(key, view);
        }
        let gone = self.gone.remove(key);
        let Some(secret) = view.caches.get::<Secret>(&key.namespace, &key.name) else {
            return gone.map_or_else(Plan::nothing, |account| unreferenced(key, &account, view));
        };
        let Some(name) = account_of(secret) else { return Plan::nothing() };
        match view.caches.get::<ServiceAccount>(&key.namespace, name).filter(|account| is_meant(secret, account)) {
            Some(account) => self.fill(secret, account, view),
            None => {
                let wanted = ObjectKey::new(Kind::ServiceAccount, &key.namespace, name);
                let mut plan = Plan { then: Then::Resume(ACCOUNT_READ), ..Plan::nothing() };
                plan.ask(Ask::new(Verb::Get { key: wanted }, "is its service account really not there").tolerating(Tolerate::NotFound));
                plan
            }
        }
    }

    fn resume(&mut self, key: &ObjectKey, _stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        let Some(secret) = view.caches.get::<Secret>(&key.namespace, &key.name) else { return Plan::nothing() };
        match answers.first() {
            Some(Ok(Reply::Object(Object::ServiceAccount(account)))) if is_meant(secret, account) => self.fill(secret, account, view),
            _ => deletion([secret].into_iter(), "its service account does not exist"),
        }
    }

    fn max_retries(&self) -> Option<u32> {
        Some(10)
    }
}

impl ServiceAccountTokenController {
    fn fill(&self, secret: &Secret, account: &ServiceAccount, view: &View<'_>) -> Plan {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let held = |name: &str| secret.data.as_ref().and_then(|d| d.get(name)).filter(|d| !d.0.is_empty());
        let certificate = bytes(&self.authority.certificate_pem);
        let (needs_token, needs_namespace) = (held("token").is_none(), held("namespace").is_none());
        if held("ca.crt") == Some(&certificate) && !needs_token && !needs_namespace {
            return Plan::nothing();
        }
        let mut next = secret.clone();
        let data = next.data.get_or_insert_default();
        data.insert("ca.crt".into(), certificate);
        if needs_namespace {
            data.insert("namespace".into(), bytes(namespace));
        }
        if needs_token {
            data.insert("token".into(), bytes(&token(secret, account, view)));
        }
        let annotations = next.metadata.annotations.get_or_insert_default();
        annotations.insert(ACCOUNT_NAME.into(), account.metadata.name.clone().unwrap_or_default());
        annotations.insert(ACCOUNT_UID.into(), account.metadata.uid.clone().unwrap_or_default());
        let mut plan = Plan { decision: "the secret lacks its token or what goes with it".into(), ..Plan::nothing() };
        let write = Verb::Update { object: next.into(), part: Part::Main };
        plan.ask(Ask::new(write, "a token of its service account is wanted").tolerating(Tolerate::NotFound));
        plan
    }
}

/// The account a secret wants a token of, if it is such a secret.
fn account_of(secret: &Secret) -> Option<&str> {
    let name = secret.metadata.annotations.as_ref()?.get(ACCOUNT_NAME)?;
    (secret.type_.as_deref() == Some(TYPE) && !name.is_empty()).then_some(name)
}

/// Whether an account is the one that a secret was made for.
fn is_meant(secret: &Secret, account: &ServiceAccount) -> bool {
    let wanted = secret.metadata.annotations.as_ref().and_then(|a| a.get(ACCOUNT_UID)).filter(|uid| !uid.is_empty());
    wanted.is_none_or(|uid| account.metadata.uid.as_ref() == Some(uid))
}

fn token(secret: &Secret, account: &ServiceAccount, view: &View<'_>) -> String {
    let cluster = view.caches.get::<Namespace>("", "kube-system").and_then(|n| n.metadata.uid.as_deref()).unwrap_or_default();
    let metadata = &account.metadata;
    let (namespace, name) = (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
    TokenKey::of(cluster).sign(&json!({
        "iss": ISSUER,
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secret.metadata.name,
        "kubernetes.io/serviceaccount/service-account.name": name,
        "kubernetes.io/serviceaccount/service-account.uid": metadata.uid,
    }))
}

/// Deletes the secrets of an account that is gone.
fn orphaned(key: &ObjectKey, view: &View<'_>) -> Plan {
    let account = view.caches.get::<ServiceAccount>(&key.namespace, &key.name);
    let secrets = view.caches.in_namespace::<Secret>(&key.namespace).filter(|s| account_of(s) == Some(&key.name));
    deletion(secrets.filter(|s| account.is_none_or(|a| !is_meant(s, a))), "its service account is gone")
}

fn deletion<'a>(secrets: impl Iterator<Item = &'a Arc<Secret>>, why: &str) -> Plan {
    let mut plan = Plan::nothing();
    for secret in secrets {
        plan.decision = why.into();
        let options = DeleteOptions { uid: secret.metadata.uid.clone(), ..Default::default() };
        let key = Object::Secret(secret.clone()).key();
        plan.ask(Ask::new(Verb::Delete { key, options }, why).tolerating(Tolerate::Anything));
    }
    plan
}

/// Takes a secret that is gone out of its account's list.
fn unreferenced(key: &ObjectKey, account: &str, view: &View<'_>) -> Plan {
    let Some(account) = view.caches.get::<ServiceAccount>(&key.namespace, account) else { return Plan::nothing() };
    let is_it = |name: Option<&String>| name.map(String::as_str) == Some(&*key.name);
    if !account.secrets.iter().flatten().any(|s| is_it(s.name.as_ref())) {
        return Plan::nothing();
    }
    let mut next = (**account).clone();
    next.secrets.get_or_insert_default().retain(|s| !is_it(s.name.as_ref()));
    let mut plan = Plan { decision: "a secret that the account names is gone".into(), ..Plan::nothing() };
    let write = Verb::Update { object: next.into(), part: Part::Main };
    plan.ask(Ask::new(write, "the secret is gone").tolerating(Tolerate::NotFound));
    plan
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::credentials::unverified_claims;
    use crate::kube_controller_manager::controllers::testing::{Desk, object};

    fn desk() -> Desk<ServiceAccountTokenController> {
        Desk::new(ServiceAccountTokenController::new(&Authority::well_known()))
    }

    fn account(uid: &str, secrets: &Value) -> Object {
        object(&json!({"kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "n", "uid": uid}, "secrets": secrets}))
    }

    fn secret(annotations: &Value) -> Object {
        object(
            &json!({"kind": "Secret", "type": TYPE, "metadata": {"name": "s", "namespace": "n", "uid": "u", "annotations": annotations}}),
        )
    }

    #[test]
    fn a_secret_gets_the_token_of_its_account() {
        let mut desk = desk();
        desk.tell(account("a-1", &json!([])));
        assert_eq!(desk.tell(secret(&json!({ACCOUNT_NAME: "robot"}))), ["s"]);
        let plan = desk.reconcile(Kind::Secret, "n", "s");
        let [Verb::Update { object: Object::Secret(filled), .. }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
        let data = filled.data.clone().unwrap_or_default();
        assert_eq!(data["namespace"].0, b"n");
        assert!(data["ca.crt"].0.starts_with(b"-----BEGIN CERTIFICATE-----"));
        let claims = unverified_claims(std::str::from_utf8(&data["token"].0).expect("text")).expect("a token");
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(ISSUER), &json!("system:serviceaccount:n:robot")));
        assert_eq!(claims["kubernetes.io/serviceaccount/service-account.uid"], "a-1");
        assert_eq!(filled.metadata.annotations.clone().unwrap_or_default()[ACCOUNT_UID], "a-1");
        let filled = Object::Secret(filled.clone());
        desk.tell(filled);
        assert!(desk.reconcile(Kind::Secret, "n", "s").is_empty(), "it has all");
    }

    #[test]
    fn a_secret_without_its_account_is_deleted_after_a_second_look() {
        let mut desk = desk();
        desk.tell(account("a-2", &json!([])));
        desk.tell(secret(&json!({ACCOUNT_NAME: "robot", ACCOUNT_UID: "a-1"})));
        let plan = desk.reconcile(Kind::Secret, "n", "s");
        assert!(matches!(desk.verbs(&plan)[..], [Verb::Get { .. }]) && plan.then == Then::Resume(ACCOUNT_READ));
        let key = ObjectKey::new(Kind::Secret, "n", "s");
        let next = desk.resume(&key, ACCOUNT_READ, &[Ok(Reply::Object(account("a-2", &json!([]))))]);
        let [Verb::Delete { options, .. }] = desk.verbs(&next)[..] else { panic!("{next:?}") };
        assert_eq!(options.uid.as_deref(), Some("u"));
    }

    #[test]
    fn secrets_go_with_their_account_and_references_with_their_secret() {
        let mut desk = desk();
        let robot = account("a-1", &json!([{"name": "s"}, {"name": "other"}]));
        assert_eq!(desk.tell(robot.clone()), Vec::<String>::new(), "an account by itself is nothing to do");
        let token = secret(&json!({ACCOUNT_NAME: "robot", ACCOUNT_UID: "a-1"}));
        desk.tell(token.clone());
        desk.tell_gone(token.clone());
        let plan = desk.reconcile(Kind::Secret, "n", "s");
        let [Verb::Update { object: Object::ServiceAccount(next), .. }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
        assert_eq!(next.secrets.as_ref().map(Vec::len), Some(1));
        desk.tell(token);
        assert_eq!(desk.tell_gone(robot), ["robot"]);
        let plan = desk.reconcile(Kind::ServiceAccount, "n", "robot");
        assert!(matches!(desk.verbs(&plan)[..], [Verb::Delete { .. }]));
    }
}
