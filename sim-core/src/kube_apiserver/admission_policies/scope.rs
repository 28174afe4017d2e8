//! What the expressions of a policy see of a request.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Object, ObjectKey, UserInfo, schema};
use sim_cel::{AuthorizerQuery, EvaluationError, Scope, Type};

use super::Attributes;
use super::program::Policy;
use crate::kube_apiserver::authorization::Attributes as Question;
use crate::kube_apiserver::{ApiServer, Call};

type Outcome = Result<sim_cel::Value, EvaluationError>;

/// The variables of one policy in one request; its own are evaluated when they are first asked for.
pub(super) struct PolicyScope<'a> {
    values: BTreeMap<String, sim_cel::Value>,
    policy: &'a Policy,
    own: RefCell<BTreeMap<String, Outcome>>,
    api: &'a ApiServer,
    user: Arc<UserInfo>,
}

/// An object as the API shows it.
pub(in crate::kube_apiserver) fn shown(object: &Object) -> Value {
    let value = object.to_json();
    match schema::of_object(&value) {
        Some(of) => schema::as_encoded(of, value),
        None => value,
    }
}

/// The user who asks; a component of the cluster asks as itself.
pub(in crate::kube_apiserver) fn user_of(call: &Call<'_>) -> Arc<UserInfo> {
    call.user.clone().unwrap_or_else(|| {
        let groups = vec!["system:masters".into(), "system:authenticated".into()];
        Arc::new(UserInfo { name: format!("system:{}", call.manager), groups, ..UserInfo::default() })
    })
}

impl<'a> PolicyScope<'a> {
    /// The scope of a policy. `object` is what is to be stored, as it is by now.
    pub fn new(
        api: &'a ApiServer,
        policy: &'a Policy,
        request: &Attributes<'_>,
        object: Option<&Value>,
        parameter: Option<&Object>,
        call: &Call<'_>,
    ) -> Self {
        let of_json = |value: &Value| sim_cel::Value::from_json(value, &Type::Dyn);
        let old = request.old.map(shown);
        let key = ObjectKey::new(Kind::Namespace, "", request.namespace);
        let namespace = if request.namespace.is_empty() { None } else { api.etcd.get(&key).map(shown) };
        let null = Value::Null;
        let mut values: BTreeMap<String, sim_cel::Value> = [
            ("object".to_owned(), of_json(object.unwrap_or(&null))),
            ("oldObject".to_owned(), of_json(old.as_ref().unwrap_or(&null))),
            ("namespaceObject".to_owned(), of_json(namespace.as_ref().unwrap_or(&null))),
            ("request".to_owned(), of_json(&request_json(request, &user_of(call), call.dry_run))),
            ("authorizer".to_owned(), sim_cel::Value::Authorizer(Arc::default())),
            ("authorizer.requestResource".to_owned(), sim_cel::Value::Authorizer(Arc::new(own_resource(request)))),
        ]
        .into();
        if policy.parameters.is_some() {
            values.insert("params".to_owned(), of_json(&parameter.map(shown).unwrap_or(Value::Null)));
        }
        PolicyScope { values, policy, own: RefCell::default(), api, user: user_of(call) }
    }
}

impl Scope for PolicyScope<'_> {
    fn variable(&self, name: &str) -> Option<Outcome> {
        if name == "variables" {
            return Some(Err(EvaluationError("variables have no value of their own".into())));
        }
        self.values.get(name).cloned().map(Ok)
    }

    fn lazy_field(&self, variable: &str, field: &str) -> Option<Outcome> {
        if variable == "authorizer" && field == "requestResource" {
            return self.values.get("authorizer.requestResource").cloned().map(Ok);
        }
        if variable != "variables" {
            return None;
        }
        if let Some(known) = self.own.borrow().get(field) {
            return Some(known.clone());
        }
        let (_, expression) = self.policy.variables.iter().find(|(name, _)| name == field)?;
        let outcome = match &expression.program {
            Ok(program) => program.evaluate(self).0,
            Err(why) => Err(EvaluationError(format!("compilation error: compilation failed: {why}"))),
        };
        let told = outcome.map_err(|e| EvaluationError(format!("composited variable {field:?} fails to evaluate: {}", e.0)));
        self.own.borrow_mut().insert(field.to_owned(), told.clone());
        Some(told)
    }

    fn authorize(&self, query: &AuthorizerQuery) -> bool {
        let user = match &query.service_account {
            Some((namespace, name)) => Arc::new(UserInfo {
                name: format!("system:serviceaccount:{namespace}:{name}"),
                groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}"), "system:authenticated".into()],
                ..UserInfo::default()
            }),
            None => self.user.clone(),
        };
        let question = match &query.path {
            Some(path) => Question::for_path(&user, &query.verb, path),
            None => {
                let mut question = Question::for_resource(&user, &query.verb, &query.group, &query.resource);
                question.namespace.clone_from(&query.namespace);
                question.name.clone_from(&query.name);
                question.subresource.clone_from(&query.subresource);
                question
            }
        };
        self.api.authorize(&question).allowed
    }
}

fn own_resource(request: &Attributes<'_>) -> AuthorizerQuery {
    let row = request.kind.resource();
    AuthorizerQuery {
        group: row.group.into(),
        resource: row.plural.into(),
        subresource: request.subresource.into(),
        namespace: request.namespace.into(),
        name: request.name.into(),
        ..AuthorizerQuery::default()
    }
}

/// The request, as an `AdmissionRequest`; what is empty is left out.
pub(in crate::kube_apiserver) fn request_json(request: &Attributes<'_>, user: &UserInfo, dry_run: bool) -> Value {
    let row = request.kind.resource();
    let kind_at = |(group, version): (&str, &str)| json!({"group": group, "version": version, "kind": row.kind});
    let resource_at = |(group, version): (&str, &str)| json!({"group": group, "version": version, "resource": row.plural});
    let posted = request.posted.map(|body| {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        json!({"group": group, "version": version, "kind": text("kind")})
    });
    let (seen, sent) = (request.seen_version(), request.sent_version());
    let kind = posted.clone().unwrap_or_else(|| kind_at(seen));
    let request_kind = posted.unwrap_or_else(|| kind_at(sent));
    let (resource, request_resource) = (resource_at(seen), resource_at(sent));
    let mut who = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        who["uid"] = user.uid.clone().into();
    }
    if !user.extra.is_empty() {
        who["extra"] = json!(user.extra);
    }
    let mut told = json!({
        "kind": kind, "resource": resource, "requestKind": request_kind, "requestResource": request_resource,
        "operation": request.operation, "userInfo": who, "dryRun": dry_run,
    });
    for (name, value) in [
        ("name", request.name),
        ("namespace", request.namespace),
        ("subResource", request.subresource),
        ("requestSubResource", request.subresource),
    ] {
        if !value.is_empty() {
            told[name] = value.into();
        }
    }
    told
}
