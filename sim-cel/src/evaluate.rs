//! The interpreter: walks a checked expression. `&&` and `||` absorb errors of one side if the other decides, as cel-go's do.
//! Invariant: every node counts, so an evaluation ends at its limit whatever the expression.

mod special;

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, SelectExpr, operators};

use crate::functions;
use crate::types::unescape;
use crate::value::{AuthorizerQuery, Key, Value};

/// Why an expression has no value, in cel-go's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError(pub String);

impl EvaluationError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        EvaluationError(text.into())
    }

    pub(crate) fn no_such_overload() -> Self {
        EvaluationError::new("no such overload")
    }
}

pub(crate) type Outcome = Result<Value, EvaluationError>;

/// Where variables come from.
pub trait Scope {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<Result<Value, EvaluationError>>;

    /// A field of a variable whose fields are values only when they are asked for; `None` if it is no such variable.
    fn lazy_field(&self, _variable: &str, _field: &str) -> Option<Result<Value, EvaluationError>> {
        None
    }

    /// Whether the authorizer allows what is asked; nobody may do anything where there is none.
    fn authorize(&self, _query: &AuthorizerQuery) -> bool {
        false
    }
}

impl Scope for BTreeMap<String, Value> {
    fn variable(&self, name: &str) -> Option<Result<Value, EvaluationError>> {
        self.get(name).cloned().map(Ok)
    }
}

pub(crate) use special::is_two_variable;

/// Evaluates; the steps are those taken.
pub(crate) fn evaluate(expression: &IdedExpr, scope: &dyn Scope, limit: u64) -> (Outcome, u64) {
    let mut run = Run { scope, locals: vec![], steps: 0, limit };
    let outcome = run.node(expression);
    (outcome, run.steps)
}

pub(crate) struct Run<'a> {
    scope: &'a dyn Scope,
    locals: Vec<(String, Value)>,
    steps: u64,
    limit: u64,
}

impl Run<'_> {
    pub fn node(&mut self, expression: &IdedExpr) -> Outcome {
        match &expression.expr {
            Expr::Literal(literal) => Ok(literal_value(literal)),
            Expr::Ident(name) => {
                self.count(1)?;
                self.ident(name)
            }
            Expr::Select(select) => {
                self.count(1)?;
                self.select(select)
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => {
                self.count(30)?;
                self.entries(map.entries.iter().map(|e| &e.expr))
            }
            Expr::Struct(object) => {
                self.count(40)?;
                self.entries(object.entries.iter().map(|e| &e.expr))
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Unspecified => Err(EvaluationError::new("unspecified expression")),
        }
    }

    fn count(&mut self, steps: u64) -> Result<(), EvaluationError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.limit {
            return Err(EvaluationError::new("operation cancelled: actual cost limit exceeded"));
        }
        Ok(())
    }

    fn ident(&mut self, name: &str) -> Outcome {
        if let Some((_, value)) = self.locals.iter().rev().find(|(n, _)| n == name) {
            return Ok(value.clone());
        }
        let name = name.strip_prefix('.').unwrap_or(name);
        match self.scope.variable(name) {
            Some(found) => found,
            None => crate::declarations::type_named(name)
                .map(|t| Value::Type(t.into()))
                .ok_or_else(|| EvaluationError::new(format!("no such attribute(s): {name}"))),
        }
    }

    fn select(&mut self, select: &SelectExpr) -> Outcome {
        if let Expr::Ident(name) = &select.operand.expr
            && !self.locals.iter().any(|(n, _)| n == name)
            && let Some(found) = self.scope.lazy_field(name, &select.field)
        {
            return if select.test { Ok(Value::Bool(true)) } else { found };
        }
        let operand = self.node(&select.operand)?;
        if select.test {
            return has_field(&operand, &select.field);
        }
        field(&operand, &select.field)
    }

    fn list(&mut self, list: &ListExpr) -> Outcome {
        self.count(10)?;
        let mut items = Vec::with_capacity(list.elements.len());
        for (index, element) in list.elements.iter().enumerate() {
            match (self.node(element)?, list.optional_indices.contains(&index)) {
                (Value::Optional(inner), true) => items.extend(inner.map(|v| Value::clone(&v))),
                (value, _) => items.push(value),
            }
        }
        Ok(Value::list(items))
    }

    fn entries<'e>(&mut self, entries: impl Iterator<Item = &'e EntryExpr>) -> Outcome {
        let mut map = BTreeMap::new();
        for entry in entries {
            let (key, value, is_optional) = match entry {
                EntryExpr::MapEntry(e) => (self.node(&e.key)?, self.node(&e.value)?, e.optional),
                EntryExpr::StructField(f) => (Value::text(&unescape(&f.field)), self.node(&f.value)?, f.optional),
            };
            let key = Key::of(&key).ok_or_else(|| EvaluationError::new("unsupported key type"))?;
            match (value, is_optional) {
                (Value::Optional(inner), true) => map.extend(inner.map(|v| (key, Value::clone(&v)))),
                (value, _) => _ = map.insert(key, value),
            }
        }
        Ok(Value::Map(Arc::new(map)))
    }

    fn call(&mut self, call: &CallExpr) -> Outcome {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, [a, b]) => self.logic(a, b, false),
            (operators::LOGICAL_OR, [a, b]) => self.logic(a, b, true),
            (operators::CONDITIONAL, [condition, yes, no]) => match self.node(condition)? {
                Value::Bool(true) => self.node(yes),
                Value::Bool(false) => self.node(no),
                _ => Err(EvaluationError::no_such_overload()),
            },
            (operators::NOT_STRICTLY_FALSE, [value]) => Ok(Value::Bool(!matches!(self.node(value), Ok(Value::Bool(false))))),
            (operators::OPT_SELECT | operators::OPT_INDEX, [operand, key]) => {
                let (operand, key) = (self.node(operand)?, self.node(key)?);
                Ok(functions::optionals::get(&operand, &key))
            }
            (operators::INDEX, [operand, index]) => {
                self.count(1)?;
                let (operand, index) = (self.node(operand)?, self.node(index)?);
                functions::index(&operand, &index)
            }
            _ => match self.special(call) {
                Some(outcome) => outcome,
                None => self.function(call),
            },
        }
    }

    fn logic(&mut self, left: &IdedExpr, right: &IdedExpr, decisive: bool) -> Outcome {
        self.count(1)?;
        let first = self.node(left);
        if matches!(first, Ok(Value::Bool(b)) if b == decisive) {
            return first;
        }
        let second = self.node(right);
        match (first, second) {
            (_, Ok(Value::Bool(b))) if b == decisive => Ok(Value::Bool(decisive)),
            (Ok(Value::Bool(_)), Ok(Value::Bool(b))) => Ok(Value::Bool(b)),
            (Err(error), _) | (_, Err(error)) => Err(error),
            _ => Err(EvaluationError::no_such_overload()),
        }
    }

    fn function(&mut self, call: &CallExpr) -> Outcome {
        let mut name = call.func_name.clone();
        let mut target = None;
        if let Some(receiver) = &call.target {
            match self.namespaced(receiver, &call.func_name) {
                Some(qualified) => name = qualified,
                None => target = Some(self.node(receiver)?),
            }
        }
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.node(arg)?);
        }
        if let Some(Value::Authorizer(query)) = &target {
            self.count(1)?;
            return self.authorizer(&name, query, &args);
        }
        let size: u64 = target.iter().chain(&args).map(Value::size).sum();
        self.count(1 + size / 10)?;
        functions::call(&name, target.as_ref(), &args)
    }

    /// Adds a word to the question, or asks it.
    fn authorizer(&self, name: &str, query: &AuthorizerQuery, args: &[Value]) -> Outcome {
        let mut next = query.clone();
        match (name, args) {
            ("path", [Value::String(path)]) => next.path = Some(path.to_string()),
            ("group", [Value::String(group)]) => next.group = group.to_string(),
            ("serviceAccount", [Value::String(namespace), Value::String(account)]) => {
                next.service_account = Some((namespace.to_string(), account.to_string()));
            }
            ("resource", [Value::String(resource)]) => next.resource = resource.to_string(),
            ("subresource", [Value::String(subresource)]) => next.subresource = subresource.to_string(),
            ("namespace", [Value::String(namespace)]) => next.namespace = namespace.to_string(),
            ("name", [Value::String(name)]) => next.name = name.to_string(),
            ("check", [Value::String(verb)]) => {
                next.verb = verb.to_string();
                return Ok(Value::Decision(self.scope.authorize(&next)));
            }
            _ => return Err(EvaluationError::no_such_overload()),
        }
        Ok(Value::Authorizer(Arc::new(next)))
    }

    /// `sets.contains`: a function's name with its namespace, if the receiver is no value.
    fn namespaced(&self, receiver: &IdedExpr, function: &str) -> Option<String> {
        let name = crate::declarations::qualified(receiver, function)?;
        let root = name.split('.').next().unwrap_or_default();
        let is_value = self.locals.iter().any(|(n, _)| n == root) || self.scope.variable(root).is_some();
        (!is_value && crate::declarations::is_function(&name)).then_some(name)
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Outcome {
        let range = self.node(&comprehension.iter_range)?;
        let items: Vec<(Value, Value)> = pairs(&range).ok_or_else(EvaluationError::no_such_overload)?;
        let is_list = matches!(range, Value::List(_));
        let accumulator = self.node(&comprehension.accu_init)?;
        let base = self.locals.len();
        self.locals.push((comprehension.accu_var.clone(), accumulator));
        for (key, value) in items {
            let first = match (&comprehension.iter_var2, is_list) {
                (None, true) => value.clone(),
                _ => key,
            };
            self.locals.push((comprehension.iter_var.clone(), first));
            if let Some(second) = &comprehension.iter_var2 {
                self.locals.push((second.clone(), value));
            }
            let goes_on = self.node(&comprehension.loop_cond);
            let step = match goes_on {
                Ok(Value::Bool(true)) => Some(self.node(&comprehension.loop_step)),
                _ => None,
            };
            self.locals.truncate(base + 1);
            match step {
                None => break,
                // An error is kept as the accumulator's: a later item may still decide.
                Some(Err(error)) if comprehension.accu_init_is_bool() => {
                    let rest = self.undecided(comprehension, &error, base);
                    self.locals.truncate(base);
                    return rest;
                }
                Some(outcome) => {
                    let outcome = outcome.inspect_err(|_| self.locals.truncate(base))?;
                    self.locals[base].1 = outcome;
                }
            }
        }
        let result = self.node(&comprehension.result);
        self.locals.truncate(base);
        result
    }

    /// One item of `all` or `exists` failed: the others may decide without it.
    fn undecided(&mut self, comprehension: &ComprehensionExpr, error: &EvaluationError, base: usize) -> Outcome {
        let decisive = matches!(&comprehension.loop_step.expr, Expr::Call(c) if c.func_name == operators::LOGICAL_OR);
        let range = self.node(&comprehension.iter_range)?;
        let is_list = matches!(range, Value::List(_));
        for (key, value) in pairs(&range).unwrap_or_default() {
            let first = if is_list && comprehension.iter_var2.is_none() { value.clone() } else { key };
            self.locals[base].1 = Value::Bool(!decisive);
            self.locals.push((comprehension.iter_var.clone(), first));
            if let Some(second) = &comprehension.iter_var2 {
                self.locals.push((second.clone(), value));
            }
            let step = self.node(&comprehension.loop_step);
            self.locals.truncate(base + 1);
            if matches!(step, Ok(Value::Bool(b)) if b == decisive) {
                return Ok(Value::Bool(decisive));
            }
        }
        Err(error.clone())
    }
}

trait Decides {
    fn accu_init_is_bool(&self) -> bool;
}

impl Decides for ComprehensionExpr {
    fn accu_init_is_bool(&self) -> bool {
        matches!(self.accu_init.expr, Expr::Literal(LiteralValue::Boolean(_)))
    }
}

/// The items of a list by index, or the entries of a map.
fn pairs(range: &Value) -> Option<Vec<(Value, Value)>> {
    match range {
        Value::List(items) => {
            let index = |i: usize| Value::Int(i64::try_from(i).unwrap_or(i64::MAX));
            Some(items.iter().enumerate().map(|(i, v)| (index(i), v.clone())).collect())
        }
        Value::Map(map) => Some(map.iter().map(|(k, v)| (k.value(), v.clone())).collect()),
        _ => None,
    }
}

fn literal_value(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(b) => Value::Bool(**b),
        LiteralValue::Int(i) => Value::Int(**i),
        LiteralValue::UInt(u) => Value::Uint(**u),
        LiteralValue::Double(d) => Value::Double(**d),
        LiteralValue::String(s) => Value::text(s),
        LiteralValue::Bytes(b) => Value::Bytes(b.inner().into()),
        LiteralValue::Null => Value::Null,
    }
}

/// The entry of a map for a field's name, as it is or unescaped.
pub(crate) fn find<'a>(map: &'a BTreeMap<Key, Value>, name: &str) -> Option<&'a Value> {
    map.get(&Key::String(name.into())).or_else(|| map.get(&Key::String(unescape(name).into())))
}

fn field(operand: &Value, name: &str) -> Outcome {
    match operand {
        Value::Map(map) => find(map, name).cloned().ok_or_else(|| EvaluationError::new(format!("no such key: {}", unescape(name)))),
        Value::Optional(_) => Ok(functions::optionals::get(operand, &Value::text(name))),
        _ => Err(EvaluationError::no_such_overload()),
    }
}

fn has_field(operand: &Value, name: &str) -> Outcome {
    match operand {
        Value::Map(map) => Ok(Value::Bool(find(map, name).is_some())),
        Value::Optional(Some(inner)) => has_field(inner, name),
        Value::Optional(None) => Ok(Value::Bool(false)),
        _ => Err(EvaluationError::no_such_overload()),
    }
}
