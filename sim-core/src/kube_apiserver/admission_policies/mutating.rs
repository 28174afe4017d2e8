//! Mutating policies: they change an object before it is stored, by merging an intent into it or by a JSON patch.
//! Source: apiserver pkg/admission/plugin/policy/mutating/{dispatcher,patch}.

use serde_json::Value;
use sim_apimachinery::managed_fields::{self, Manager, Managers, Operation, Refusal, Set, Write};
use sim_apimachinery::schema::{self, TypeRef};
use sim_apimachinery::{Kind, Object, Status, patch};

use super::program::{Mutation, Policy};
use super::scope::{PolicyScope, shown};
use super::validating::conditions_hold;
use super::{Attributes, Binding};
use crate::kube_apiserver::{ApiServer, Call, Outcome};

impl ApiServer {
    /// Lets the mutating policies change an object that is to be stored. `old` is the object before the change, if it is one.
    pub(in crate::kube_apiserver) fn mutate_by_policies(
        &self,
        object: &mut Object,
        old: Option<&Object>,
        subresource: &str,
        call: &mut Call<'_>,
    ) -> Outcome<()> {
        for policy in self.policies.mutating.values() {
            let before = object.clone();
            let request = match old {
                Some(old) => Attributes::update(&before, old, subresource),
                None => Attributes::create(&before),
            };
            if request.is_exempt() || !self.request_matches(&policy.resources, &request) {
                continue;
            }
            for binding in self.bindings_of(Kind::MutatingAdmissionPolicyBinding, &policy.name) {
                if binding.resources.as_ref().is_some_and(|r| !self.request_matches(r, &request)) {
                    continue;
                }
                match self.mutated(policy, &binding, &request, object, call) {
                    Ok(next) => *object = next,
                    Err(why) if policy.fails => return Err(denied(policy, &binding, &request, &why)),
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    fn mutated(
        &self,
        policy: &Policy,
        binding: &Binding,
        request: &Attributes<'_>,
        object: &Object,
        call: &Call<'_>,
    ) -> Result<Object, String> {
        let parameters = self
            .parameters(policy.parameters.as_ref(), binding.parameters.as_ref(), request)
            .map_err(|why| format!("failed to configure binding: {why}"))?;
        let mut value = shown(object);
        for parameter in parameters {
            let scope = PolicyScope::new(self, policy, request, Some(&value), parameter.as_ref(), call);
            if !conditions_hold(policy, &scope)? {
                continue;
            }
            for mutation in &policy.mutations {
                let scope = PolicyScope::new(self, policy, request, Some(&value), parameter.as_ref(), call);
                value = self.applied(mutation, &scope, object.kind(), &value)?;
            }
        }
        Object::from_json(object.kind(), value).map_err(|e| e.to_string())
    }

    fn applied(&self, mutation: &Mutation, scope: &PolicyScope<'_>, kind: Kind, value: &Value) -> Result<Value, String> {
        let source = &mutation.expression.source;
        let program = mutation.expression.program.as_ref().map_err(|why| format!("compilation error: compilation failed: {why}"))?;
        let outcome = program.evaluate(scope).0;
        let change = outcome.map_err(|e| format!("expression '{source}' resulted in error: {}", e.0))?.to_json();
        if mutation.is_json_patch {
            let operations = change.as_array().map(Vec::as_slice).unwrap_or_default();
            return patch::json_patch::apply(value, operations).map_err(|e| format!("JSON Patch: {e}"));
        }
        let resource = self.resource_of(kind);
        match (&resource, schema::of_object(value)) {
            (Some(resource), _) => merged(resource.version().types.root(), value, change),
            (None, Some(of)) => merged(of, value, change),
            (None, None) => Err("no type found for the object to mutate".into()),
        }
    }
}

/// Merges an intent as server-side apply does, without asking who owns what.
fn merged(of: TypeRef<'_>, value: &Value, mut intent: Value) -> Result<Value, String> {
    if !intent.is_object() {
        return Err("the expression gives no object to apply".into());
    }
    for word in ["apiVersion", "kind"] {
        intent[word] = value[word].clone();
    }
    let api_version = value["apiVersion"].as_str().unwrap_or_default().to_owned();
    let manager = Manager::new("mutating-admission-policy", Operation::Apply, &api_version, "");
    let write = Write { of, manager, api_version, time: jiff::Timestamp::UNIX_EPOCH, ignored: Set::default(), only: &[] };
    let empty = Value::Object(Default::default());
    match managed_fields::apply(&write, value, &empty, &intent, Managers::new(), true) {
        Ok(applied) => Ok(applied.object.unwrap_or_else(|| value.clone())),
        Err(Refusal::Typed(why)) => Err(why),
        Err(Refusal::Conflicts(_)) => Err("conflicts with the object".into()),
    }
}

fn denied(policy: &Policy, binding: &Binding, request: &Attributes<'_>, why: &str) -> Box<Status> {
    let text = format!("policy '{}' with binding '{}' denied request: {why}", policy.name, binding.name);
    Box::new(Status::forbidden(request.kind, request.name, &text))
}
