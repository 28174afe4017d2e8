//! Refusals and grants as a recorded API server gave them.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{Answer, FieldValidation, Kind, Object, ObjectKey, Part, Patch, Request, UserInfo, Verb};

use super::{ApiServer, Attributes, Decision};
use crate::kube_apiserver::ApiServerConfig;
use crate::time::SimTime;
use crate::trace::{BEGINNING, Trace};

/// A Monday in 2026.
const NOW: SimTime = SimTime(1_795_222_842_000_000_000);

struct Server {
    apiserver: ApiServer,
    trace: Trace,
}

impl Server {
    fn new() -> Server {
        let mut apiserver = ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 1);
        apiserver.bootstrap(NOW, true);
        let mut server = Server { apiserver, trace: Trace::new(NOW) };
        server.make(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "here"}}), None).expect("it is valid");
        server
    }

    fn ask(&mut self, verb: Verb, user: Option<Arc<UserInfo>>) -> Answer {
        let field_validation = FieldValidation::Strict;
        let request = Request { user, field_validation, ..Request::new(&"kubectl".into(), verb) };
        self.apiserver.handle(NOW, request, BEGINNING, &mut self.trace)
    }

    fn make(&mut self, object: Value, user: Option<Arc<UserInfo>>) -> Answer {
        let (group, _) = object["apiVersion"].as_str().and_then(|v| v.split_once('/')).unwrap_or_default();
        let kind = Kind::find(group, object["kind"].as_str().unwrap_or_default()).expect("the kind is known");
        let object = Object::from_json(kind, object).expect("it decodes");
        self.ask(Verb::Create { object }, user)
    }

    fn grant(&mut self, name: &str, user: &str, rules: Value) {
        let metadata = json!({"name": name, "namespace": "here"});
        let api_version = "rbac.authorization.k8s.io/v1";
        let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name});
        let subjects = json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]);
        let role = json!({"apiVersion": api_version, "kind": "Role", "metadata": metadata, "rules": rules});
        let binding =
            json!({"apiVersion": api_version, "kind": "RoleBinding", "metadata": metadata, "roleRef": role_ref, "subjects": subjects});
        self.make(role, None).expect("the role is valid");
        self.make(binding, None).expect("the binding is valid");
    }
}

fn user(name: &str, groups: &[&str]) -> Arc<UserInfo> {
    let groups = groups.iter().chain(&["system:authenticated"]).map(|g| (*g).to_owned()).collect();
    Arc::new(UserInfo { name: name.into(), groups, ..Default::default() })
}

fn about(user: &Arc<UserInfo>, verb: &str, resource: &str, name: &str) -> Attributes {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let asked = Attributes::for_resource(user, verb, "", resource);
    Attributes { subresource: subresource.into(), namespace: "here".into(), name: name.into(), ..asked }
}

fn role(name: &str, rules: Value) -> Value {
    let metadata = json!({"name": name, "namespace": "here"});
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules})
}

#[test]
fn refusals_read_as_recorded() {
    let server = Server::new();
    let alice = user("alice", &["dev"]);
    let cases = [
        (
            about(&alice, "list", "pods", ""),
            r#"pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "here""#,
        ),
        (
            about(&alice, "create", "pods/exec", "x"),
            r#"pods "x" is forbidden: User "alice" cannot create resource "pods/exec" in API group "" in the namespace "here""#,
        ),
        (
            Attributes { namespace: String::new(), ..Attributes::for_resource(&alice, "list", "nosuch.example.com", "things") },
            r#"things.nosuch.example.com is forbidden: User "alice" cannot list resource "things" in API group "nosuch.example.com" at the cluster scope"#,
        ),
        (Attributes::for_path(&alice, "get", "/metrics"), r#"forbidden: User "alice" cannot get path "/metrics""#),
    ];
    for (asked, expected) in cases {
        let decision = server.apiserver.authorize(&asked);
        assert!(!decision.allowed);
        assert_eq!(asked.forbidden(&decision.reason).message, expected);
    }
}

#[test]
fn everybody_may_look_at_the_version_and_the_authenticated_at_discovery() {
    let server = Server::new();
    let anonymous =
        Arc::new(UserInfo { name: "system:anonymous".into(), groups: vec!["system:unauthenticated".into()], ..Default::default() });
    let alice = user("alice", &[]);
    let may = |user, path| server.apiserver.authorize(&Attributes::for_path(user, "get", path)).allowed;
    assert!(may(&anonymous, "/version") && may(&alice, "/version"));
    // The recorded cluster shows everybody where tokens are explained, but the keys to service accounts only.
    let account = user("system:serviceaccount:here:default", &["system:serviceaccounts"]);
    assert!(may(&anonymous, "/.well-known/openid-configuration") && may(&alice, "/.well-known/openid-configuration"));
    assert!(may(&account, "/openid/v1/jwks") && !may(&alice, "/openid/v1/jwks") && !may(&anonymous, "/openid/v1/jwks"));
    assert!(!may(&anonymous, "/api") && may(&alice, "/api") && may(&alice, "/apis/apps/v1") && !may(&alice, "/nosuch"));
}

#[test]
fn a_right_says_where_it_comes_from() {
    let mut server = Server::new();
    server.grant("reader", "bob", json!([{"apiGroups": [""], "resources": ["pods", "*/scale"], "verbs": ["get"]}]));
    let bob = user("bob", &[]);
    let decision = server.apiserver.authorize(&about(&bob, "get", "pods", "x"));
    let reason = r#"RBAC: allowed by RoleBinding "reader/here" of Role "reader" to User "bob""#;
    assert_eq!(decision, Decision { allowed: true, reason: reason.into() });
    assert!(server.apiserver.authorize(&about(&bob, "get", "anything/scale", "x")).allowed);
    assert!(!server.apiserver.authorize(&about(&bob, "get", "pods/log", "x")).allowed);
    let elsewhere = Attributes { namespace: "elsewhere".into(), ..about(&bob, "get", "pods", "x") };
    assert!(!server.apiserver.authorize(&elsewhere).allowed);
    let key = ObjectKey::new(Kind::RoleBinding, "here", "reader");
    server.ask(Verb::Delete { key, options: Default::default() }, None).expect("it is there");
    assert!(!server.apiserver.authorize(&about(&bob, "get", "pods", "x")).allowed);
}

#[test]
fn a_missing_role_is_told_of() {
    let mut server = Server::new();
    server.grant("gone", "bob", json!([]));
    server.ask(Verb::Delete { key: ObjectKey::new(Kind::Role, "here", "gone"), options: Default::default() }, None).expect("it is there");
    let decision = server.apiserver.authorize(&about(&user("bob", &[]), "get", "pods", "x"));
    assert_eq!(decision.reason, r#"RBAC: role.rbac.authorization.k8s.io "gone" not found"#);
}

#[test]
fn masters_may_everything_and_kubelets_what_is_theirs() {
    let mut server = Server::new();
    assert!(server.apiserver.authorize(&about(&user("root", &["system:masters"]), "delete", "nodes", "n")).allowed);
    let kubelet = user("system:node:n1", &["system:nodes"]);
    let said = |server: &Server, asked: Attributes| server.apiserver.authorize(&asked).reason;
    assert_eq!(said(&server, about(&kubelet, "list", "pods", "")), "can only list/watch pods with spec.nodeName field selector");
    let nodes = Attributes::for_resource(&kubelet, "list", "", "nodes");
    assert_eq!(said(&server, nodes), "node 'n1' cannot read all nodes, only its own Node object");
    let mine = Attributes { field_equals: vec![("spec.nodeName".into(), "n1".into())], ..about(&kubelet, "watch", "pods", "") };
    assert!(server.apiserver.authorize(&mine).allowed);
    let secret = about(&kubelet, "get", "secrets", "s");
    assert_eq!(said(&server, secret.clone()), "no relationship found between node 'n1' and this object");
    server
        .make(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "here"}}), None)
        .expect("valid");
    let container = json!({"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "s"}}]});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "here"}, "spec": {"nodeName": "n1", "containers": [container]}});
    server.make(pod, None).expect("the pod is valid");
    assert!(server.apiserver.authorize(&secret).allowed);
    assert!(!server.apiserver.authorize(&about(&kubelet, "get", "secrets", "other")).allowed);
    assert!(server.apiserver.authorize(&about(&kubelet, "create", "serviceaccounts/token", "default")).allowed);
}

#[test]
fn nobody_grants_what_he_does_not_hold() {
    let mut server = Server::new();
    let rules = json!([
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["create", "update"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    ]);
    server.grant("manager", "esc-user", rules);
    let who = user("esc-user", &[]);
    let held = role("sub", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]));
    server.make(held, Some(who.clone())).expect("he holds it");
    let more = json!([{"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get", "create"]}]);
    let refused = server.make(role("esc", more.clone()), Some(who.clone())).expect_err("he does not hold it");
    assert_eq!(
        refused.message,
        "roles.rbac.authorization.k8s.io \"esc\" is forbidden: user \"esc-user\" (groups=[\"system:authenticated\"]) is attempting to \
         grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"configmaps\"], Verbs:[\"get\" \"create\"]}\n\
         {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"create\"]}"
    );
    let key = ObjectKey::new(Kind::Role, "here", "sub");
    let patch = |patch| Verb::Patch { key: key.clone(), part: Part::Main, patch: Patch::Merge(patch) };
    assert!(server.ask(patch(json!({"rules": more})), Some(who.clone())).is_err());
    assert!(server.ask(patch(json!({"metadata": {"labels": {"a": "b"}}})), Some(who)).is_ok());
}
