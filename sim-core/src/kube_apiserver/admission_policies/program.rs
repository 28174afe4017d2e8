//! Policies, read and compiled once when they are stored.
//! Source: apiserver pkg/admission/plugin/{cel,policy/validating,policy/mutating}/compilation.go.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, MutatingAdmissionPolicy, ParamKind, ValidatingAdmissionPolicy, Variable,
};
use sim_cel::{ObjectType, Program, Sized, Type, Variables};

/// An expression with what became of it.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    /// As it is written.
    pub source: String,
    /// The program, or why there is none.
    pub program: Result<Program, String>,
}

/// A policy of either kind.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub name: String,
    /// Whether an error refuses the request.
    pub fails: bool,
    pub resources: MatchResources,
    pub parameters: Option<ParamKind>,
    pub conditions: Vec<Expression>,
    pub variables: Vec<(String, Expression)>,
    pub validations: Vec<Validation>,
    pub mutations: Vec<Mutation>,
}

/// A rule of a validating policy.
#[derive(Clone, Debug)]
pub(super) struct Validation {
    pub expression: Expression,
    pub message: String,
    pub message_expression: Option<Expression>,
    pub reason: Option<String>,
}

/// A change a mutating policy makes.
#[derive(Clone, Debug)]
pub(super) struct Mutation {
    pub is_json_patch: bool,
    pub expression: Expression,
}

/// Which variables there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declared {
    pub parameters: bool,
    pub authorizer: bool,
    pub patch_types: bool,
}

/// The variables every expression of a policy may use.
pub(super) fn declared(with: Declared) -> Variables {
    let mut variables = Variables::new();
    let mut add = |name: &str, of: Type| _ = variables.insert(name.to_owned(), Sized::new(of));
    for name in ["object", "oldObject", "request", "namespaceObject"] {
        add(name, Type::Dyn);
    }
    if with.parameters {
        add("params", Type::Dyn);
    }
    if with.authorizer {
        add("authorizer", Type::Opaque("kubernetes.authorization.Authorizer"));
        add("authorizer.requestResource", Type::Opaque("kubernetes.authorization.Authorizer"));
    }
    if with.patch_types {
        add("Object{}", Type::Dyn);
        add("JSONPatch{}", Type::Dyn);
    }
    variables
}

/// The variables, and with them the policy's own, if it has any, as the fields of `variables`.
pub(super) fn with_own(variables: Variables, own: &BTreeMap<String, Sized>) -> Variables {
    if own.is_empty() { variables } else { composed(variables, own) }
}

/// The variables, and `variables` with the policy's own so far as its fields, even if there are none.
pub(super) fn composed(mut variables: Variables, own: &BTreeMap<String, Sized>) -> Variables {
    let object = Type::Object(Arc::new(ObjectType { name: "kubernetes.variables".into(), fields: own.clone() }));
    variables.insert("variables".to_owned(), Sized::new(object));
    variables
}

/// Compiles one expression.
pub(super) fn compile(source: &str, variables: &Variables) -> Expression {
    Expression { source: source.to_owned(), program: Program::compile(source, variables) }
}

/// Compiles the policy's own variables in order; each may use those before it. Their types are the fields of `variables`.
pub(super) fn compile_variables(own: &[Variable], with: Declared) -> (Vec<(String, Expression)>, BTreeMap<String, Sized>) {
    let (mut compiled, mut types) = (vec![], BTreeMap::new());
    for variable in own {
        let expression = compile(&variable.expression, &composed(declared(with), &types));
        let of = expression.program.as_ref().map_or(Type::Dyn, |p| p.result_type().clone());
        types.insert(variable.name.clone(), Sized::new(of));
        compiled.push((variable.name.clone(), expression));
    }
    (compiled, types)
}

fn conditions(conditions: Option<&Vec<MatchCondition>>, parameters: bool) -> Vec<Expression> {
    let variables = declared(Declared { parameters, authorizer: true, patch_types: false });
    conditions.into_iter().flatten().map(|c| compile(&c.expression, &variables)).collect()
}

impl Policy {
    /// A validating policy.
    pub fn validating(policy: &ValidatingAdmissionPolicy) -> Policy {
        let spec = policy.spec.clone().unwrap_or_default();
        let with = Declared { parameters: spec.param_kind.is_some(), authorizer: true, patch_types: false };
        let (variables, types) = compile_variables(&spec.variables.unwrap_or_default(), with);
        let all = with_own(declared(with), &types);
        let for_messages = with_own(declared(Declared { authorizer: false, ..with }), &types);
        let validations = spec.validations.unwrap_or_default().into_iter().map(|v| Validation {
            expression: compile(&v.expression, &all),
            message: v.message.unwrap_or_default().trim().to_owned(),
            message_expression: v.message_expression.filter(|m| !m.trim().is_empty()).map(|m| compile(&m, &for_messages)),
            reason: v.reason,
        });
        Policy {
            name: policy.metadata.name.clone().unwrap_or_default(),
            fails: spec.failure_policy.as_deref() != Some("Ignore"),
            resources: spec.match_constraints.unwrap_or_default(),
            conditions: conditions(spec.match_conditions.as_ref(), spec.param_kind.is_some()),
            parameters: spec.param_kind,
            variables,
            validations: validations.collect(),
            mutations: vec![],
        }
    }

    /// A mutating policy.
    pub fn mutating(policy: &MutatingAdmissionPolicy) -> Policy {
        let spec = policy.spec.clone().unwrap_or_default();
        let with = Declared { parameters: spec.param_kind.is_some(), authorizer: true, patch_types: false };
        let (variables, types) = compile_variables(&spec.variables.unwrap_or_default(), with);
        let all = with_own(declared(Declared { patch_types: true, ..with }), &types);
        let mutations = spec.mutations.unwrap_or_default().into_iter().map(|m| {
            let is_json_patch = m.patch_type == "JSONPatch";
            let source = match is_json_patch {
                true => m.json_patch.and_then(|p| p.expression),
                false => m.apply_configuration.and_then(|a| a.expression),
            };
            Mutation { is_json_patch, expression: compile(source.unwrap_or_default().trim(), &all) }
        });
        Policy {
            name: policy.metadata.name.clone().unwrap_or_default(),
            fails: spec.failure_policy.as_deref() != Some("Ignore"),
            resources: spec.match_constraints.unwrap_or_default(),
            conditions: conditions(spec.match_conditions.as_ref(), spec.param_kind.is_some()),
            parameters: spec.param_kind,
            variables,
            validations: vec![],
            mutations: mutations.collect(),
        }
    }
}
