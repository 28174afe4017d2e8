//! The rules in CEL of a definition: their words, whether they compile, and whether they may cost too much.
//! Source: pkg/apis/apiextensions/validation/{validation,cel_validation}.go.

use serde_json::Value;
use sim_cel::{Program, Type};

use super::super::cel_rules::{RuleNode, variables};
use super::super::cel_types::{REQUEST_BYTES_MAX, declared};
use super::super::problems::{Problems, child};
use super::super::schema::SchemaRef;
use super::{field_path, go_words};

const EXPRESSION_COST_MAX: u64 = 10_000_000;
const DEFINITION_COST_MAX: u64 = 100_000_000;
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/// How many of the dearest rules are named.
const DEAREST_MAX: usize = 4;

/// Where rules stand: how often there can be such a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct RulePlace {
    is_root: bool,
    /// How often at most; `None` if nobody limits it.
    cardinality: Option<u64>,
}

impl RulePlace {
    pub fn root() -> Self {
        RulePlace { is_root: true, cardinality: Some(1) }
    }

    /// The place of what is inside a value of this schema.
    pub fn below(self, schema: SchemaRef<'_>) -> Self {
        let count = |word: &str| schema.get(word).and_then(Value::as_i64).map(|n| u64::try_from(n).unwrap_or(0));
        let times = match schema.value_type() {
            "object" if schema.additional().is_some() => count("maxProperties"),
            "array" => count("maxItems"),
            _ => Some(1),
        };
        let cardinality = self.cardinality.zip(times).map(|(a, b)| a.saturating_mul(b));
        RulePlace { is_root: false, cardinality }
    }
}

/// What the rules of a definition may cost together.
#[derive(Default)]
pub(super) struct RuleBudget {
    total: u64,
    dearest: Vec<(String, u64)>,
}

impl RuleBudget {
    fn add(&mut self, at: &str, cost: u64) {
        self.total = self.total.saturating_add(cost);
        if cost >= DEFINITION_COST_MAX / 100 {
            self.dearest.push((at.to_owned(), cost));
            self.dearest.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
            self.dearest.truncate(DEAREST_MAX);
        }
    }

    /// Tells if it is too much.
    pub fn report(&self, at: &str, problems: &mut Problems) {
        if self.total <= DEFINITION_COST_MAX {
            return;
        }
        for (at, _) in &self.dearest {
            problems.forbidden(at, "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema");
        }
        let name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        problems.forbidden(at, &too_dear(name, self.total, DEFINITION_COST_MAX));
    }
}

fn too_dear(name: &str, cost: u64, limit: u64) -> String {
    let times = cost as f64 / limit as f64;
    let factor = if times > 100.0 {
        "more than 100x".to_owned()
    } else if times < 1.5 {
        format!("{times:.6}x")
    } else {
        format!("{times:.1}x")
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// The words of rules: messages, reasons, paths.
pub(super) fn words(rules: &[Value], schema: SchemaRef<'_>, at: &str, problems: &mut Problems) {
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("{at}.x-kubernetes-validations[{index}]");
        let word = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        let has_break = |text: &str| text.contains(['\n', '\r']);
        let (source, message) = (word("rule").trim(), word("message"));
        if source.is_empty() {
            problems.required(&child(&at, "rule"), "rule is not specified");
        } else if !message.is_empty() && message.trim().is_empty() {
            problems.invalid_text(&child(&at, "message"), message, "must be non-empty if specified");
        } else if has_break(message.trim()) {
            problems.invalid_text(&child(&at, "message"), message, "must not contain line breaks");
        } else if has_break(source) && message.trim().is_empty() {
            problems.required(&child(&at, "message"), "message must be specified if rule contains line breaks");
        }
        if !word("messageExpression").is_empty() && word("messageExpression").trim().is_empty() {
            problems.required(&child(&at, "messageExpression"), "messageExpression must be non-empty if specified");
        }
        if let Some(reason) = rule.get("reason").filter(|r| r.as_str().is_some_and(|r| !REASONS.contains(&r))) {
            problems.not_supported(&child(&at, "reason"), reason, &REASONS.map(str::to_owned));
        }
        let path = word("fieldPath");
        let path_at = child(&at, "fieldPath");
        if !path.is_empty() && path.trim().is_empty() {
            problems.invalid_text(&path_at, path, "must be non-empty if specified");
        }
        if has_break(path) {
            problems.invalid_text(&path_at, path, "must not contain line breaks");
        }
        if !path.is_empty() && field_path::resolve(path, schema, true).is_err() {
            problems.invalid_text(&path_at, path, "must be a valid path");
        }
    }
}

/// Whether the rules of a node compile, and what they may cost.
pub(super) fn node_rules(
    rules: &[Value],
    (schema, place): (SchemaRef<'_>, RulePlace),
    at: &str,
    uncorrelatable: Option<&str>,
    budget: &mut RuleBudget,
    problems: &mut Problems,
) {
    let Some((of, least)) = declared(schema, place.is_root || schema.is_embedded()) else { return };
    let times = place.cardinality.unwrap_or(REQUEST_BYTES_MAX / (least + 1));
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("{at}.x-kubernetes-validations[{index}]");
        let word = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        let is_optional = rule.get("optionalOldSelf") == Some(&Value::Bool(true));
        let variables = variables(&of, is_optional);
        let rule_at = child(&at, "rule");
        let mut refuse = |name: &str, detail: &str| problems.invalid_raw(&child(&at, name), &go_words::rule(rule), detail);
        let program = match Program::compile(word("rule"), &variables) {
            Err(why) => {
                refuse("rule", &format!("compilation failed: {why}"));
                budget.add(&rule_at, 0);
                continue;
            }
            Ok(program) if !matches!(program.result_type(), Type::Bool) => {
                refuse("rule", "cel expression must evaluate to a bool");
                continue;
            }
            Ok(program) => program,
        };
        let cost = program.estimate().max.saturating_mul(times);
        if cost > EXPRESSION_COST_MAX {
            problems.forbidden(&rule_at, &too_dear("estimated rule cost", cost, EXPRESSION_COST_MAX));
        }
        budget.add(&rule_at, cost);
        if !word("messageExpression").is_empty() {
            message_rule(rule, &at, &variables, budget, problems);
        }
        let uses_old = program.uses("oldSelf");
        if let Some(within) = uncorrelatable.filter(|_| uses_old) {
            let detail = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {within}");
            problems.invalid_text(&rule_at, word("rule"), &detail);
        }
        if let Some(flag) = rule.get("optionalOldSelf").filter(|_| !uses_old) {
            problems.invalid(&child(&at, "optionalOldSelf"), flag, "may not be set if oldSelf is not used in rule");
        }
    }
}

fn message_rule(rule: &Value, at: &str, variables: &sim_cel::Variables, budget: &mut RuleBudget, problems: &mut Problems) {
    let at = child(at, "messageExpression");
    let source = rule.get("messageExpression").and_then(Value::as_str).unwrap_or_default();
    match Program::compile(source, variables) {
        Err(why) => problems.invalid_raw(&at, &go_words::rule(rule), &format!("messageExpression compilation failed: {why}")),
        Ok(program) if !matches!(program.result_type(), Type::String) => {
            problems.invalid_raw(&at, &go_words::rule(rule), "messageExpression must evaluate to a string");
        }
        Ok(program) => {
            let cost = program.estimate().max;
            if cost > EXPRESSION_COST_MAX {
                problems.forbidden(&at, &too_dear("estimated messageExpression cost", cost, EXPRESSION_COST_MAX));
            }
            budget.add(&at, cost);
        }
    }
}

/// A default keeps the rules of its own schema.
pub(super) fn default_rules(default: &Value, schema: SchemaRef<'_>, at: &str, is_root: bool, problems: &mut Problems) {
    let Some(node) = RuleNode::compile(schema, is_root) else { return };
    let (mut broken, _) = node.validate(default, Some(default), at);
    if broken.0.is_empty() {
        broken = node.validate(default, None, at).0;
    }
    problems.0.append(&mut broken.0);
}
