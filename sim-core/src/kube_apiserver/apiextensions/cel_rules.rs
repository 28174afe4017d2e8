//! Rules in CEL (`x-kubernetes-validations`): compiled once per definition, evaluated on every write of an object.
//! Source: apiextensions-apiserver pkg/apiserver/schema/cel/{compilation,validation}.go.
//! Not modelled: lists with keys are compared in order, not as maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sim_cel::{Program, Sized, Type, Variables};

use super::cel_types::declared;
use super::definition_rules::field_path;
use super::problems::{Problems, child};
use super::ratchet;
use super::schema::SchemaRef;

/// What all rules of one object may cost (`RuntimeCELCostBudget`).
const OBJECT_BUDGET: u64 = 10_000_000;
/// The longest text a message expression may give.
const MESSAGE_BYTES_MAX: usize = 5 * 1024;

/// The rules of a schema and of what is below it.
#[derive(Clone, Debug)]
pub(crate) struct RuleNode {
    schema: Value,
    of: Type,
    rules: Vec<Rule>,
    properties: BTreeMap<String, RuleNode>,
    additional: Option<Box<RuleNode>>,
    items: Option<Box<RuleNode>>,
}

/// A compiled rule.
#[derive(Clone, Debug)]
struct Rule {
    source: String,
    message: String,
    reason: Option<String>,
    /// Below the node, if the rule blames a field of it.
    field_path: String,
    is_optional: bool,
    program: Result<Program, String>,
    message_program: Option<Program>,
}

/// The variables of a rule.
pub(crate) fn variables(of: &Sized, is_optional: bool) -> Variables {
    let old = if is_optional { Sized { of: Type::Optional(Box::new(of.of.clone())), ..of.clone() } } else { of.clone() };
    [("self".to_owned(), of.clone()), ("oldSelf".to_owned(), old)].into()
}

impl RuleNode {
    /// Compiles the rules of a schema; `None` if there are none.
    pub fn compile(schema: SchemaRef<'_>, is_root: bool) -> Option<RuleNode> {
        let (of, _) = declared(schema, is_root)?;
        let below = |inner: SchemaRef<'_>| RuleNode::compile(inner, inner.is_embedded());
        let properties: BTreeMap<String, RuleNode> =
            schema.properties().filter_map(|(name, inner)| below(inner).map(|node| (name.to_owned(), node))).collect();
        let additional = schema.additional().flatten().and_then(below).map(Box::new);
        let items = schema.items().and_then(below).map(Box::new);
        let rules: Vec<Rule> = schema.list("x-kubernetes-validations").iter().map(|r| Rule::compile(r, schema, &of)).collect();
        let is_needed = !rules.is_empty() || !properties.is_empty() || additional.is_some() || items.is_some();
        is_needed.then(|| RuleNode { schema: schema.0.clone(), of: of.of, rules, properties, additional, items })
    }

    /// What rules are broken by a value; warnings are those that were broken before and are tolerated.
    pub fn validate(&self, value: &Value, old: Option<&Value>, path: &str) -> (Problems, Vec<String>) {
        let mut run = Run { problems: Problems::default(), warnings: vec![], budget: OBJECT_BUDGET, is_over: false };
        run.node(self, value, old, path, false);
        (run.problems, run.warnings)
    }
}

impl Rule {
    fn compile(rule: &Value, schema: SchemaRef<'_>, of: &Sized) -> Rule {
        let word = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_optional = rule.get("optionalOldSelf") == Some(&Value::Bool(true));
        let variables = variables(of, is_optional);
        let message_expression = word("messageExpression");
        let message_program = Some(message_expression).filter(|m| !m.trim().is_empty());
        Rule {
            program: Program::compile(&word("rule"), &variables),
            message_program: message_program.and_then(|m| Program::compile(&m, &variables).ok()),
            field_path: field_path::resolve(&word("fieldPath"), schema, true).map(|(path, _)| path).unwrap_or_default(),
            source: word("rule").trim().to_owned(),
            message: word("message").trim().to_owned(),
            reason: rule.get("reason").and_then(Value::as_str).map(str::to_owned),
            is_optional,
        }
    }

    /// The rule as errors name it.
    fn name(&self) -> &str {
        if self.message.is_empty() { &self.source } else { &self.message }
    }
}

struct Run {
    problems: Problems,
    warnings: Vec<String>,
    budget: u64,
    is_over: bool,
}

impl Run {
    /// `is_tolerated`: something above is as it was.
    fn node(&mut self, node: &RuleNode, value: &Value, old: Option<&Value>, path: &str, is_tolerated: bool) {
        if value.is_null() || self.is_over {
            return;
        }
        let is_same = is_tolerated || old == Some(value);
        self.rules(node, value, old.filter(|o| !o.is_null()), path, is_same);
        let schema = SchemaRef(&node.schema);
        match value {
            Value::Array(list) => {
                let Some(items) = node.items.as_deref() else { return };
                for (index, item) in list.iter().enumerate() {
                    let before = old.and_then(|o| ratchet::item(schema, o, list, index));
                    self.node(items, item, before, &format!("{path}[{index}]"), is_same);
                }
            }
            Value::Object(map) => {
                for (name, inner) in map {
                    let before = old.and_then(|o| ratchet::field(schema, o, name));
                    if let Some(property) = node.properties.get(name) {
                        self.node(property, inner, before, &child(path, name), is_same);
                    } else if let Some(additional) = node.additional.as_deref().filter(|_| schema.property(name).is_none()) {
                        self.node(additional, inner, before, &format!("{path}[{name}]"), is_same);
                    }
                }
            }
            _ => {}
        }
    }

    fn rules(&mut self, node: &RuleNode, value: &Value, old: Option<&Value>, path: &str, is_same: bool) {
        let kind = SchemaRef(&node.schema).value_type().to_owned();
        let this = sim_cel::Value::from_json(value, &node.of);
        let before = old.map(|o| sim_cel::Value::from_json(o, &node.of));
        for rule in &node.rules {
            let program = match &rule.program {
                Ok(program) => program,
                Err(why) => {
                    self.problems.invalid_text(path, &kind, &format!("rule compile error: compilation failed: {why}"));
                    continue;
                }
            };
            let uses_old = program.uses("oldSelf");
            if uses_old && before.is_none() && !rule.is_optional {
                continue;
            }
            let mut scope: BTreeMap<String, sim_cel::Value> = [("self".to_owned(), this.clone())].into();
            let old_value = if rule.is_optional { Some(sim_cel::Value::Optional(before.clone().map(Arc::new))) } else { before.clone() };
            scope.extend(old_value.map(|o| ("oldSelf".to_owned(), o)));
            let (outcome, cost) = program.evaluate(&scope);
            if cost > self.budget {
                let text = "validation failed due to running out of cost budget, no further validation rules will be run";
                self.problems.invalid_text(path, &kind, text);
                self.is_over = true;
                return;
            }
            self.budget -= cost;
            match outcome {
                Ok(sim_cel::Value::Bool(true)) => {}
                Ok(_) => self.broken(rule, &scope, (value, &kind), path, is_same && !uses_old),
                Err(error) => self.failed(rule, &error.0, &kind, path),
            }
            if self.is_over {
                return;
            }
        }
    }

    fn failed(&mut self, rule: &Rule, error: &str, kind: &str, path: &str) {
        let name = rule.name();
        let text = if error.starts_with("no such overload") {
            format!("'{error}': call arguments did not match a supported operator, function or macro signature for rule: {name}")
        } else if error.starts_with("operation cancelled: actual cost limit exceeded") {
            self.is_over = true;
            format!("'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {name}")
        } else {
            format!("{error} evaluating rule: {name}")
        };
        self.problems.invalid_text(path, kind, &text);
    }

    fn broken(
        &mut self,
        rule: &Rule,
        scope: &BTreeMap<String, sim_cel::Value>,
        (value, kind): (&Value, &str),
        path: &str,
        is_tolerated: bool,
    ) {
        let at = if rule.field_path.is_empty() { path.to_owned() } else { child(path, &rule.field_path) };
        let own = if rule.message.is_empty() { format!("failed rule: {}", rule.source) } else { rule.message.clone() };
        let detail = rule.message_program.as_ref().and_then(|p| message(p, scope)).unwrap_or(own);
        let is_untold = matches!(kind, "object" | "array");
        let mut found = Problems::default();
        match (rule.reason.as_deref(), is_untold) {
            (Some("FieldValueForbidden"), _) => found.forbidden(&at, &detail),
            (Some("FieldValueRequired"), _) => found.required(&at, &detail),
            (Some("FieldValueDuplicate"), true) => found.duplicate_untold(&at),
            (Some("FieldValueDuplicate"), false) => found.duplicate(&at, value),
            (_, true) => found.invalid_untold(&at, &detail),
            (_, false) => found.invalid(&at, value, &detail),
        }
        if is_tolerated {
            self.warnings.extend(found.0.iter().map(|c| format!("{}: {}", c.field, c.message)));
        } else {
            self.problems.0.append(&mut found.0);
        }
    }
}

/// What a message expression says, if it says something in one line.
fn message(program: &Program, scope: &BTreeMap<String, sim_cel::Value>) -> Option<String> {
    let (Ok(sim_cel::Value::String(text)), _) = program.evaluate(scope) else { return None };
    let text = text.trim();
    (!text.is_empty() && !text.contains('\n') && text.len() <= MESSAGE_BYTES_MAX).then(|| text.to_owned())
}
