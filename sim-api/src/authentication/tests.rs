//! The HTTP face knows its users, lets some be others, and gives tokens, as a recorded API server did.

use serde_json::{Value, json};
use sim_apimachinery::UserInfo;
use sim_core::cluster::{Cluster, Profile};

use crate::{Answer, Frontend, Request, Settings};

struct Face {
    frontend: Frontend,
    cluster: Cluster,
}

impl Face {
    fn new() -> Face {
        let groups = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let user =
            |name: &str, of: &[&str]| UserInfo { name: name.into(), uid: format!("{name}-uid"), groups: groups(of), ..Default::default() };
        let tokens = vec![("admin".to_owned(), user("admin", &["system:masters"])), ("alice".to_owned(), user("alice", &["dev"]))];
        let profile = std::sync::Arc::new(Profile::named("docker-desktop").expect("it is built in"));
        let cluster = Cluster::new(profile, std::sync::Arc::new(sim_workload::ProfileSet::builtin()), 1);
        Face { frontend: Frontend::new(Settings { tokens }), cluster }
    }

    fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
        let mut headers: Vec<(String, String)> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        if !headers.iter().any(|(name, _)| name == "Authorization") {
            headers.push(("Authorization".into(), "Bearer admin".into()));
        }
        let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        let request = Request { method: method.into(), path: path.into(), headers, body, host: "here:1".into(), ..Default::default() };
        match self.frontend.handle(&mut self.cluster, &request) {
            Answer::Complete(response) => (response.status, serde_json::from_slice(&response.body).unwrap_or_default()),
            other => panic!("a whole answer was expected: {other:?}"),
        }
    }

    fn who(&mut self, headers: &[(&str, &str)]) -> Value {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let (_, mut answer) = self.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", headers, body);
        match answer["status"].get("userInfo").cloned() {
            None => answer["message"].take(),
            Some(user) => user,
        }
    }

    fn review(&mut self, token: &str, audiences: Value) -> Value {
        let body =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": audiences}});
        self.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", &[], body).1["status"].take()
    }

    fn token(&mut self, spec: Value) -> (u16, Value) {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        self.ask("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", &[], body)
    }
}

#[test]
fn tokens_and_their_absence_name_the_user() {
    let mut face = Face::new();
    let alice = json!({"username": "alice", "uid": "alice-uid", "groups": ["dev", "system:authenticated"]});
    assert_eq!(face.who(&[("Authorization", "bearer alice")]), alice);
    assert_eq!(face.who(&[("Authorization", "Bearer nonsense")]), "Unauthorized");
    let refused = "selfsubjectreviews.authentication.k8s.io is forbidden: User \"system:anonymous\" cannot create resource \
                   \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope";
    for header in ["", "Bearer ", "Basic YWRtaW46YWRtaW4="] {
        assert_eq!(face.who(&[("Authorization", header)]), refused, "{header:?}");
    }
}

#[test]
fn impersonation_takes_name_groups_and_attributes() {
    let mut face = Face::new();
    let user = face.who(&[("Impersonate-User", "bob"), ("Impersonate-Group", "a"), ("Impersonate-Extra-Example.com%2fkey", "v")]);
    assert_eq!(user, json!({"username": "bob", "groups": ["a", "system:authenticated"], "extra": {"example.com/key": ["v"]}}));
    let account = face.who(&[("Impersonate-User", "system:serviceaccount:default:x")]);
    assert_eq!(account["groups"], json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]));
    let text = r#"requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"dev"}, Extra:map[string][]string(nil)} without impersonating a user name"#;
    assert_eq!(face.who(&[("Impersonate-Group", "dev")]), text);
}

#[test]
fn the_first_refusal_is_told_and_the_last_success_comes_first() {
    let mut face = Face::new();
    let as_carol = [("Authorization", "Bearer alice"), ("Impersonate-User", "carol")];
    let constrained = "selfsubjectreviews.authentication.k8s.io is forbidden: User \"alice\" cannot impersonate-on:user-info:create resource \
                       \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope";
    assert_eq!(face.who(&as_carol), constrained);
    let rbac = "rbac.authorization.k8s.io/v1";
    let role = json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "imp"},
        "rules": [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["bob"]}]});
    let binding = json!({"apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": {"name": "imp"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "imp"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}]});
    assert_eq!(face.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", &[], role).0, 201);
    assert_eq!(face.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &[], binding).0, 201);
    assert_eq!(face.who(&[("Authorization", "Bearer alice"), ("Impersonate-User", "bob")])["username"], "bob");
    let legacy =
        "users \"carol\" is forbidden: User \"alice\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope";
    assert_eq!(face.who(&as_carol), legacy);
}

#[test]
fn a_token_is_made_used_and_lost_with_its_account() {
    let mut face = Face::new();
    let (status, answer) = face.token(json!({}));
    assert_eq!((status, &answer["spec"]["expirationSeconds"]), (201, &json!(3600)), "{answer}");
    assert_eq!(answer["metadata"]["managedFields"][0]["fieldsV1"], json!({"f:spec": {"f:expirationSeconds": {}}}));
    assert_eq!(answer["spec"]["boundObjectRef"], Value::Null);
    let token = answer["status"]["token"].as_str().expect("a token").to_owned();
    let user = face.who(&[("Authorization", &format!("Bearer {token}"))]);
    assert_eq!(user["username"], "system:serviceaccount:default:default");
    let review = face.review(&token, json!(null));
    assert_eq!((&review["authenticated"], &review["audiences"]), (&json!(true), &json!([super::ISSUER])));
    let wrong = "[invalid bearer token, token audiences [\"https://kubernetes.default.svc.cluster.local\"] is invalid for the target audiences [\"vault\"]]";
    assert_eq!(face.review(&token, json!(["vault"])), json!({"user": {}, "error": wrong}));
    assert_eq!(face.review("garbage", json!(null)), json!({"user": {}, "error": "invalid bearer token"}));
    face.ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/default", &[], Value::Null);
    let lost = face.review(&token, json!(null));
    assert_eq!(lost["error"], "[invalid bearer token, serviceaccounts \"default\" not found]");
}

#[test]
fn token_requests_are_checked() {
    let mut face = Face::new();
    let (status, answer) = face.token(json!({"expirationSeconds": 5}));
    let text = "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes";
    assert_eq!((status, &answer["message"]), (422, &json!(text)));
    let (status, answer) = face.token(json!({"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1", "name": "x"}}));
    assert_eq!((status, &answer["message"]), (400, &json!("cannot bind token to object of type /v1, Kind=ConfigMap")));
    let (status, answer) = face.token(json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "nosuch"}}));
    assert_eq!((status, &answer["message"]), (404, &json!("pods \"nosuch\" not found")));
}

#[test]
fn the_discovery_document_is_public_and_the_keys_are_not() {
    let mut face = Face::new();
    let nobody = [("Authorization", "")];
    let (status, document) = face.ask("GET", "/.well-known/openid-configuration", &nobody, Value::Null);
    assert_eq!((status, &document["jwks_uri"]), (200, &json!("https://here:1/openid/v1/jwks")));
    assert_eq!(face.ask("GET", "/openid/v1/jwks", &nobody, Value::Null).0, 403);
    assert_eq!(face.ask("GET", "/openid/v1/jwks", &[], Value::Null).1["keys"][0]["alg"], "RS256");
}
