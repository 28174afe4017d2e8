//! Checks the expressions of validating admission policies against the types of what they match, and says in the policy's status
//! what is wrong with them and which generation it looked at (validatingadmissionpolicy-status-controller). A policy works as well
//! as it did: the warnings are for its author. Reads policies and definitions of custom resources; asks only for server-side
//! applies of the status. A policy whose generation was looked at is not looked at again, whatever becomes of the types.
//! Source: pkg/controller/validatingadmissionpolicystatus, apiserver pkg/admission/plugin/policy/validating/typechecking.go.

mod types;

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicySpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};
use sim_apimachinery::decoding::split_api_version;
use sim_apimachinery::schema::{self, Schema};
use sim_apimachinery::{Kind, ObjectKey, Part, Patch, Verb};
use sim_cel::{ObjectType, Program, Sized, Type, Variables};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, View, Wake};

/// So many kinds of one policy are checked.
const TYPES_MAX: usize = 10;

/// The controller; it remembers nothing.
#[derive(Clone, Debug, Default)]
pub struct ValidatingAdmissionPolicyStatus;

/// A group, a version and a kind, in the order in which results are told.
type GroupVersionKind = (String, String, String);

impl Controller for ValidatingAdmissionPolicyStatus {
    fn name(&self) -> &'static str {
        "validatingadmissionpolicy-status-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::ValidatingAdmissionPolicy, Kind::CustomResourceDefinition]
    }

    fn field_manager(&self) -> Option<&'static str> {
        Some("validatingadmissionpolicy-status")
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        if event.object.kind() == Kind::ValidatingAdmissionPolicy {
            wake.now(event.object.key());
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(policy) = view.caches.get::<ValidatingAdmissionPolicy>("", &key.name) else { return Plan::nothing() };
        let generation = policy.metadata.generation.unwrap_or(0);
        if generation <= policy.status.as_ref().and_then(|s| s.observed_generation).unwrap_or(0) {
            return Plan::nothing();
        }
        let warnings = policy.spec.as_ref().map(|spec| warnings(spec, view)).unwrap_or_default();
        let mut plan = Plan { decision: format!("{} expressions of {} have issues", warnings.len(), key.name), ..Plan::nothing() };
        let mut checking = json!({});
        if !warnings.is_empty() {
            checking["expressionWarnings"] = warnings.into();
        }
        let intent = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": &*key.name},
            "status": {"observedGeneration": generation, "typeChecking": checking},
        });
        let patch = Patch::Apply { intent, force: true };
        plan.ask(Ask::new(Verb::Patch { key: key.clone(), part: Part::Status, patch }, "its types have been checked"));
        plan
    }
}

/// What is wrong with a policy's expressions: the field of each, and the issues by kind.
fn warnings(spec: &ValidatingAdmissionPolicySpec, view: &View<'_>) -> Vec<Value> {
    let types: Vec<(GroupVersionKind, Variables)> = kinds_to_check(spec, view)
        .into_iter()
        .filter_map(|kind| {
            let object = type_of(&kind, view)?;
            Some((kind, variables(spec, &object, view)))
        })
        .collect();
    let mut found = vec![];
    for (index, validation) in spec.validations.iter().flatten().enumerate() {
        let message = validation.message_expression.as_deref().filter(|text| !text.is_empty());
        let expressions = [("expression", Some(validation.expression.as_str())), ("messageExpression", message)];
        for (name, source) in expressions.into_iter().filter_map(|(name, source)| Some((name, source?))) {
            let issues = types.iter().filter_map(|((group, version, kind), variables)| {
                let issues = Program::compile(source, variables).err()?;
                Some(format!("{group}/{version}, Kind={kind}: {issues}\n"))
            });
            let issues: Vec<String> = issues.collect();
            if !issues.is_empty() {
                found.push(json!({"fieldRef": format!("spec.validations[{index}].{name}"), "warning": issues.join("\n")}));
            }
        }
    }
    found
}

/// The variables expressions see when the object is of this type.
fn variables(spec: &ValidatingAdmissionPolicySpec, object: &Type, view: &View<'_>) -> Variables {
    let mut variables = types::common();
    let mut add = |name: &str, of: Type| _ = variables.insert(name.to_owned(), Sized::new(of));
    add("object", object.clone());
    add("oldObject", object.clone());
    if let Some(kind) = &spec.param_kind {
        let api_version = kind.api_version.clone().unwrap_or_default();
        let (group, version) = split_api_version(&api_version);
        let kind = (group.to_owned(), version.to_owned(), kind.kind.clone().unwrap_or_default());
        add("params", type_of(&kind, view).unwrap_or(Type::Dyn));
    }
    let mut own: std::collections::BTreeMap<String, Sized> = Default::default();
    for variable in spec.variables.iter().flatten() {
        let of = Program::compile(&variable.expression, &variables).map_or(Type::Dyn, |p| p.result_type().clone());
        own.insert(variable.name.clone(), Sized::new(of));
        let object = ObjectType { name: "kubernetes.variables".into(), fields: own.clone() };
        variables.insert("variables".into(), Sized::new(Type::Object(Arc::new(object))));
    }
    variables
}

/// The kinds a policy matches, as far as its rules name them without stars.
fn kinds_to_check(spec: &ValidatingAdmissionPolicySpec, view: &View<'_>) -> BTreeSet<GroupVersionKind> {
    let mut kinds = BTreeSet::new();
    let rules = spec.match_constraints.iter().flat_map(|m| m.resource_rules.iter().flatten());
    for rule in rules {
        let mut count = 0;
        for (group, version, resource) in named(rule) {
            for kind in kinds_for(&group, &version, &resource, view) {
                kinds.insert(kind);
                count += 1;
                if count == TYPES_MAX {
                    return kinds;
                }
            }
        }
    }
    kinds
}

/// The resources a rule names, in order; none if a group or a version is a star.
fn named(rule: &NamedRuleWithOperations) -> Vec<(String, String, String)> {
    let sorted = |words: &Option<Vec<String>>| {
        let mut words = words.clone().unwrap_or_default();
        words.sort();
        words
    };
    let (groups, versions) = (sorted(&rule.api_groups), sorted(&rule.api_versions));
    if groups.iter().chain(&versions).any(|word| word.contains('*')) {
        return vec![];
    }
    let resources: Vec<String> = sorted(&rule.resources).into_iter().filter(|r| !r.contains(['*', '/'])).collect();
    let mut found = vec![];
    for group in &groups {
        for version in &versions {
            found.extend(resources.iter().map(|resource| (group.clone(), version.clone(), resource.clone())));
        }
    }
    found
}

/// The kinds of a resource; an empty group is any, as the mapping of resources has it.
fn kinds_for(group: &str, version: &str, resource: &str, view: &View<'_>) -> Vec<GroupVersionKind> {
    let fits = |its_group: &str, its_version: &str| (group.is_empty() || group == its_group) && version == its_version;
    let built_in = Kind::ALL.iter().map(|kind| kind.resource()).flat_map(|row| {
        let also = match row.kind {
            "HorizontalPodAutoscaler" => Some(("autoscaling", "v1")),
            "Event" => Some(("events.k8s.io", "v1")),
            _ => None,
        };
        std::iter::once((row.group, row.version)).chain(also).map(move |(group, version)| (group, version, row))
    });
    let built_in = built_in.filter(|(group, version, row)| fits(group, version) && (row.plural == resource || row.singular == resource));
    let mut found: Vec<GroupVersionKind> =
        built_in.map(|(group, version, row)| (group.to_owned(), version.to_owned(), row.kind.to_owned())).collect();
    for definition in view.caches.all::<CustomResourceDefinition>() {
        let spec = &definition.spec;
        let is_named = spec.names.plural == resource || spec.names.singular.as_deref() == Some(resource);
        let versions = spec.versions.iter().filter(|v| v.served && is_named && fits(&spec.group, &v.name));
        found.extend(versions.map(|v| (spec.group.clone(), v.name.clone(), spec.names.kind.clone())));
    }
    found
}

/// The type of a kind, if its schema is known.
fn type_of((group, version, kind): &GroupVersionKind, view: &View<'_>) -> Option<Type> {
    if let Some(of) = schema::lookup(group, version, kind) {
        return Some(types::of_object(of, kind));
    }
    let definition = view.caches.all::<CustomResourceDefinition>().find(|d| d.spec.group == *group && d.spec.names.kind == *kind)?;
    let version = definition.spec.versions.iter().find(|v| v.name == *version)?;
    let schema = version.schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref())?;
    Some(types::of_object(Schema::from_open_api(&serde_json::to_value(schema).ok()?).root(), kind))
}

#[cfg(test)]
mod tests;
