//! The checker: every name is declared, every field is there, every call has an overload that fits.
//! Source: cel-go checker/checker.go; the messages are its own.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr};

use crate::declarations::{self, Overload};
use crate::parse::{Issue, Parsed, show};
use crate::types::{ObjectType, Type, list, map, optional};
use crate::{Variables, evaluate};

/// A checked expression's type and the variables it uses.
pub(crate) struct Checked {
    pub result: Type,
    pub variables: Vec<String>,
}

/// Checks; the error is the list of issues.
pub(crate) fn check(parsed: &Parsed, variables: &Variables) -> Result<Checked, String> {
    let mut checker = Checker { parsed, variables, locals: vec![], found: vec![], issues: vec![], used: BTreeSet::new() };
    let result = checker.node(&parsed.expression);
    let result = checker.resolve(&result);
    if checker.issues.is_empty() {
        return Ok(Checked { result, variables: checker.used.into_iter().collect() });
    }
    Err(show(parsed.source(), checker.issues))
}

struct Checker<'a> {
    parsed: &'a Parsed,
    variables: &'a Variables,
    locals: Vec<(String, Type)>,
    /// What became of the types that were to be found.
    found: Vec<Option<Type>>,
    issues: Vec<Issue>,
    used: BTreeSet<String>,
}

impl Checker<'_> {
    fn fresh(&mut self) -> Type {
        self.found.push(None);
        Type::Var(self.found.len() - 1)
    }

    fn issue(&mut self, id: u64, message: String) -> Type {
        self.issues.push(self.parsed.issue(id, message));
        // A type that fits everywhere, so that one mistake is told once.
        Type::Dyn
    }

    fn node(&mut self, expression: &IdedExpr) -> Type {
        match &expression.expr {
            Expr::Literal(literal) => literal_type(literal),
            Expr::Ident(name) => self.ident(expression.id, name),
            Expr::Select(select) => self.select(expression.id, select),
            Expr::Call(call) => self.call(expression.id, call),
            Expr::List(items) => {
                let mut item_type = None;
                for (index, element) in items.elements.iter().enumerate() {
                    let mut found = self.node(element);
                    if items.optional_indices.contains(&index)
                        && let Type::Optional(inner) = self.resolve(&found)
                    {
                        found = *inner;
                    }
                    item_type = Some(self.join(item_type, found, element.id));
                }
                list(item_type.unwrap_or_else(|| self.fresh()))
            }
            Expr::Map(entries) => {
                let (mut keys, mut values) = (None, None);
                for entry in &entries.entries {
                    if let EntryExpr::MapEntry(e) = &entry.expr {
                        let (key, value) = (self.node(&e.key), self.node(&e.value));
                        keys = Some(self.join(keys, key, e.key.id));
                        values = Some(self.join(values, value, e.value.id));
                    }
                }
                let key = keys.unwrap_or_else(|| self.fresh());
                map(key, values.unwrap_or_else(|| self.fresh()))
            }
            Expr::Struct(object) => {
                for entry in &object.entries {
                    if let EntryExpr::StructField(f) = &entry.expr {
                        self.node(&f.value);
                    }
                }
                self.object_type(expression.id, &object.type_name)
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Unspecified => Type::Dyn,
        }
    }

    /// Literals of lists and maps hold one type.
    fn join(&mut self, known: Option<Type>, next: Type, id: u64) -> Type {
        let Some(known) = known else { return next };
        if self.assign(&known, &next) {
            return known;
        }
        let (known_name, next_name) = (self.resolve(&known).to_string(), self.resolve(&next).to_string());
        self.issue(id, format!("expected type '{known_name}' but found '{next_name}'"));
        known
    }

    /// The types of mutations: `Object`, `Object.spec`, `JSONPatch`.
    fn object_type(&mut self, id: u64, name: &str) -> Type {
        let root = name.split('.').next().unwrap_or_default();
        let is_known = self.variables.contains_key(&format!("{root}{{}}"));
        if is_known {
            return Type::Object(std::sync::Arc::new(ObjectType { name: name.to_owned(), fields: Default::default() }));
        }
        self.issue(id, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn ident(&mut self, id: u64, name: &str) -> Type {
        if let Some((_, found)) = self.locals.iter().rev().find(|(n, _)| n == name) {
            return found.clone();
        }
        let plain = name.strip_prefix('.').unwrap_or(name);
        if let Some(variable) = self.variables.get(plain) {
            self.used.insert(plain.to_owned());
            return variable.of.clone();
        }
        if declarations::type_named(plain).is_some() {
            return Type::Type;
        }
        self.issue(id, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn select(&mut self, id: u64, select: &SelectExpr) -> Type {
        let operand = self.node(&select.operand);
        let found = self.field_type(id, &operand, &select.field);
        if select.test { Type::Bool } else { found }
    }

    fn field_type(&mut self, id: u64, operand: &Type, field: &str) -> Type {
        match self.resolve(operand) {
            Type::Dyn | Type::Var(_) => Type::Dyn,
            Type::Map(_, value) => *value,
            Type::Object(object) => match object.fields.get(field) {
                Some(found) => found.of.clone(),
                None => self.issue(id, format!("undefined field '{field}'")),
            },
            Type::Optional(inner) => optional(self.field_type(id, &inner, field)),
            other => self.issue(id, format!("type '{other}' does not support field selection")),
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Type {
        if let Some(found) = self.special(id, call) {
            return found;
        }
        if matches!(call.func_name.as_str(), "_?._") {
            return self.optional_select(id, call);
        }
        let mut name = call.func_name.clone();
        let mut arguments = vec![];
        let mut is_member = false;
        if let Some(receiver) = call.target.as_deref() {
            match self.namespaced(receiver, &call.func_name) {
                Some(qualified) => name = qualified,
                None => {
                    is_member = true;
                    arguments.push(self.node(receiver));
                }
            }
        }
        for argument in &call.args {
            arguments.push(self.node(argument));
        }
        match declarations::overloads(&name) {
            Some(overloads) => self.overload(id, &name, overloads, is_member, &arguments),
            None => self.issue(id, format!("undeclared reference to '{name}' (in container '')")),
        }
    }

    fn namespaced(&self, receiver: &IdedExpr, function: &str) -> Option<String> {
        let name = declarations::qualified(receiver, function)?;
        let root = name.split('.').next().unwrap_or_default();
        let is_value = self.locals.iter().any(|(n, _)| n == root) || self.variables.contains_key(root);
        (!is_value && declarations::is_function(&name)).then_some(name)
    }

    fn optional_select(&mut self, id: u64, call: &CallExpr) -> Type {
        let [operand, field] = call.args.as_slice() else { return Type::Dyn };
        let operand = self.node(operand);
        let Expr::Literal(LiteralValue::String(name)) = &field.expr else { return optional(Type::Dyn) };
        match self.field_type(id, &operand, name) {
            Type::Optional(inner) => Type::Optional(inner),
            found => optional(found),
        }
    }

    fn overload(&mut self, id: u64, name: &str, overloads: &[Overload], is_member: bool, arguments: &[Type]) -> Type {
        let mut result: Option<Type> = None;
        for overload in overloads.iter().filter(|o| o.is_member == is_member && o.arguments.len() == arguments.len()) {
            let variables = [self.fresh(), self.fresh()];
            let wanted: Vec<Type> = overload.arguments.iter().map(|t| instantiate(t, &variables)).collect();
            let saved = self.found.clone();
            if !wanted.iter().zip(arguments).all(|(w, a)| self.assign(w, a)) {
                self.found = saved;
                continue;
            }
            let this = instantiate(&overload.result, &variables);
            let this = self.resolve(&this);
            result = match result {
                None => Some(this),
                Some(other) if other == this => Some(other),
                Some(_) => Some(Type::Dyn),
            };
        }
        if let Some(result) = result {
            return result;
        }
        let names: Vec<String> = arguments.iter().map(|a| self.resolve(a).to_string()).collect();
        let applied = match (is_member, names.split_first()) {
            (true, Some((receiver, rest))) => format!("{receiver}.({})", rest.join(", ")),
            _ => format!("({})", names.join(", ")),
        };
        self.issue(id, format!("found no matching overload for '{name}' applied to '{applied}'"))
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Type {
        let range = self.node(&comprehension.iter_range);
        let (key, value) = self.items(comprehension.iter_range.id, &range);
        let is_map = matches!(self.resolve(&range), Type::Map(..));
        let accumulator = self.node(&comprehension.accu_init);
        let base = self.locals.len();
        self.locals.push((comprehension.accu_var.clone(), accumulator.clone()));
        let first = if comprehension.iter_var2.is_some() || is_map { key } else { value.clone() };
        self.locals.push((comprehension.iter_var.clone(), first));
        if let Some(second) = &comprehension.iter_var2 {
            self.locals.push((second.clone(), value));
        }
        self.node(&comprehension.loop_cond);
        let step = self.node(&comprehension.loop_step);
        self.assign(&accumulator, &step);
        self.locals.truncate(base + 1);
        let result = self.node(&comprehension.result);
        self.locals.truncate(base);
        result
    }

    /// What a comprehension over a type goes through: keys (or indices) and values.
    fn items(&mut self, id: u64, range: &Type) -> (Type, Type) {
        match self.resolve(range) {
            Type::List(item) => (Type::Int, *item),
            Type::Map(key, value) => (*key, *value),
            Type::Dyn | Type::Var(_) => (Type::Dyn, Type::Dyn),
            other => {
                let text = format!("expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)");
                self.issue(id, text);
                (Type::Dyn, Type::Dyn)
            }
        }
    }

    /// Forms that bind names.
    fn special(&mut self, _id: u64, call: &CallExpr) -> Option<Type> {
        let name = |e: &IdedExpr| if let Expr::Ident(n) = &e.expr { Some(n.clone()) } else { None };
        let receiver = call.target.as_deref()?;
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("bind", [variable, value, body]) if name(receiver).as_deref() == Some("cel") => {
                let bound = (name(variable)?, self.node(value));
                Some(self.with(vec![bound], body))
            }
            ("optMap" | "optFlatMap", [variable, body]) => {
                let variable = name(variable)?;
                let on = self.node(receiver);
                let inner = if let Type::Optional(inner) = self.resolve(&on) { *inner } else { Type::Dyn };
                let found = self.with(vec![(variable, inner)], body);
                Some(if call.func_name == "optFlatMap" { found } else { optional(found) })
            }
            ("sortBy", [variable, key]) => {
                let variable = name(variable)?;
                let on = self.node(receiver);
                let (_, item) = self.items(receiver.id, &on);
                self.with(vec![(variable, item)], key);
                Some(on)
            }
            (function, [first, second, rest @ ..]) if evaluate::is_two_variable(function, rest.len()) => {
                let (first, second) = (name(first)?, name(second)?);
                let on = self.node(receiver);
                let (key, value) = self.items(receiver.id, &on);
                let mut result = Type::Bool;
                for body in rest {
                    result = self.with(vec![(first.clone(), key.clone()), (second.clone(), value.clone())], body);
                }
                Some(match function {
                    "transformList" => list(result),
                    "transformMap" => map(key, result),
                    "transformMapEntry" => result,
                    _ => Type::Bool,
                })
            }
            _ => None,
        }
    }

    fn with(&mut self, names: Vec<(String, Type)>, body: &IdedExpr) -> Type {
        let base = self.locals.len();
        self.locals.extend(names);
        let found = self.node(body);
        self.locals.truncate(base);
        found
    }

    /// A type with all that was found put in.
    fn resolve(&self, of: &Type) -> Type {
        match of {
            Type::Var(number) => match self.found.get(*number) {
                Some(Some(found)) => self.resolve(found),
                _ => of.clone(),
            },
            Type::List(item) => list(self.resolve(item)),
            Type::Map(key, value) => map(self.resolve(key), self.resolve(value)),
            Type::Optional(value) => optional(self.resolve(value)),
            other => other.clone(),
        }
    }

    /// Whether a value of type `given` can be where `wanted` is; finds types on the way.
    fn assign(&mut self, wanted: &Type, given: &Type) -> bool {
        let (wanted, given) = (self.resolve(wanted), self.resolve(given));
        match (&wanted, &given) {
            (Type::Var(a), Type::Var(b)) if a == b => true,
            (Type::Var(number), other) | (other, Type::Var(number)) => {
                if let Some(slot) = self.found.get_mut(*number) {
                    *slot = Some(other.clone());
                }
                true
            }
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.assign(a, b),
            (Type::Map(ka, va), Type::Map(kb, vb)) => self.assign(ka, kb) && self.assign(va, vb),
            (Type::Object(_) | Type::Opaque(_) | Type::Duration | Type::Timestamp, Type::Null)
            | (Type::Null, Type::Object(_) | Type::Opaque(_) | Type::Duration | Type::Timestamp) => true,
            (Type::Object(a), Type::Object(b)) => a.name == b.name || a.name.starts_with("Object") && b.name.starts_with("Object"),
            (a, b) => a == b,
        }
    }
}

fn instantiate(of: &Type, variables: &[Type; 2]) -> Type {
    match of {
        Type::Var(number) => variables[number % 2].clone(),
        Type::List(item) => list(instantiate(item, variables)),
        Type::Map(key, value) => map(instantiate(key, variables), instantiate(value, variables)),
        Type::Optional(value) => optional(instantiate(value, variables)),
        other => other.clone(),
    }
}

fn literal_type(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::Uint,
    }
}
