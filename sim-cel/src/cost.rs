//! What an expression may cost at most, before it is ever evaluated: names and calls cost 1, texts a tenth of their length,
//! loops their body times the size of what they go through. Sizes that nobody limits are as large as a request can be.
//! Source: cel-go checker/cost.go, apiserver pkg/cel/library/cost.go. It is an estimate of that estimate: the units are the
//! same, the sum can differ.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};

use crate::Variables;
use crate::types::{Sized, Type};

/// The most a request may hold, in bytes.
const REQUEST_BYTES_MAX: u64 = 3 * 1024 * 1024;

/// The most an expression may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Cost units.
    pub max: u64,
}

/// Estimates an expression.
pub(crate) fn estimate(expression: &IdedExpr, variables: &Variables) -> Estimate {
    let mut walk = Walk { variables, locals: vec![] };
    Estimate { max: walk.node(expression).cost }
}

/// What is known of a value: what it costs, and how large it may be.
struct Known {
    cost: u64,
    size: Sized,
}

struct Walk<'a> {
    variables: &'a Variables,
    locals: Vec<(String, Sized)>,
}

fn largest(size: &Sized) -> u64 {
    size.max.unwrap_or(match size.of {
        Type::Bool | Type::Int | Type::Uint | Type::Double | Type::Null => 1,
        _ => REQUEST_BYTES_MAX,
    })
}

/// A tenth of a text, rounded up.
fn traversal(size: u64) -> u64 {
    size.div_ceil(10)
}

impl Walk<'_> {
    fn node(&mut self, expression: &IdedExpr) -> Known {
        match &expression.expr {
            Expr::Literal(literal) => Known { cost: 0, size: literal_size(literal) },
            Expr::Ident(name) => {
                let local = self.locals.iter().rev().find(|(n, _)| n == name).map(|(_, s)| s.clone());
                let size = local.or_else(|| self.variables.get(name).cloned()).unwrap_or_else(|| Sized::new(Type::Dyn));
                Known { cost: 1, size }
            }
            Expr::Select(select) => {
                let operand = self.node(&select.operand);
                let size = field_size(&operand.size, &select.field);
                Known { cost: operand.cost.saturating_add(u64::from(!select.test)), size }
            }
            Expr::List(list) => {
                let items: Vec<Known> = list.elements.iter().map(|e| self.node(e)).collect();
                let cost = items.iter().fold(10_u64, |sum, i| sum.saturating_add(i.cost));
                let max = Some(items.len() as u64);
                let inside = items.into_iter().map(|i| i.size).max_by_key(largest).into_iter().collect();
                Known { cost, size: Sized { of: Type::List(Box::new(Type::Dyn)), max, inside } }
            }
            Expr::Map(map) => self.entries(30, map.entries.iter().map(|e| &e.expr)),
            Expr::Struct(object) => self.entries(40, object.entries.iter().map(|e| &e.expr)),
            Expr::Comprehension(c) => {
                let range = self.node(&c.iter_range);
                let init = self.node(&c.accu_init);
                let rounds = largest(&range.size);
                let items = range.size.inside.last().cloned().unwrap_or_else(|| Sized::new(Type::Dyn));
                let keys = range.size.inside.first().cloned().unwrap_or_else(|| Sized::new(Type::Dyn));
                let is_map = matches!(range.size.of, Type::Map(..));
                let base = self.locals.len();
                self.locals.push((c.accu_var.clone(), Sized { max: Some(rounds), ..init.size.clone() }));
                self.locals.push((c.iter_var.clone(), if is_map || c.iter_var2.is_some() { keys } else { items.clone() }));
                self.locals.extend(c.iter_var2.iter().map(|v| (v.clone(), items.clone())));
                let (condition, step) = (self.node(&c.loop_cond).cost, self.node(&c.loop_step).cost);
                self.locals.truncate(base + 1);
                let result = self.node(&c.result);
                self.locals.truncate(base);
                let loops = rounds.saturating_mul(condition.saturating_add(step));
                let cost = range.cost.saturating_add(init.cost).saturating_add(loops).saturating_add(result.cost);
                let is_list = matches!(c.accu_init.expr, Expr::List(_));
                let size = if is_list { Sized { max: Some(rounds), ..range.size } } else { Sized::new(Type::Bool) };
                Known { cost, size }
            }
            Expr::Call(call) => self.call(call),
            Expr::Unspecified => Known { cost: 0, size: Sized::new(Type::Dyn) },
        }
    }

    fn entries<'e>(&mut self, base: u64, entries: impl Iterator<Item = &'e EntryExpr>) -> Known {
        let mut cost = base;
        let mut count = 0;
        for entry in entries {
            count += 1;
            let inner = match entry {
                EntryExpr::MapEntry(e) => self.node(&e.key).cost.saturating_add(self.node(&e.value).cost),
                EntryExpr::StructField(f) => self.node(&f.value).cost,
            };
            cost = cost.saturating_add(inner);
        }
        let of = Type::Map(Box::new(Type::String), Box::new(Type::Dyn));
        Known { cost, size: Sized { of, max: Some(count), inside: vec![] } }
    }

    fn call(&mut self, call: &CallExpr) -> Known {
        let mut all: Vec<Known> = vec![];
        if let Some(target) = call.target.as_deref() {
            all.push(self.node(target));
        }
        all.extend(call.args.iter().map(|a| self.node(a)));
        let arguments = all.iter().fold(0_u64, |sum, a| sum.saturating_add(a.cost));
        let sizes: Vec<u64> = all.iter().map(|a| largest(&a.size)).collect();
        let own = call_cost(&call.func_name, &sizes);
        let size = result_size(&call.func_name, &all, &sizes);
        let arguments = match call.func_name.as_str() {
            // Only one of the branches is taken.
            "_?_:_" => all.first().map_or(0, |a| a.cost).saturating_add(all.iter().skip(1).map(|a| a.cost).max().unwrap_or(0)),
            _ => arguments,
        };
        Known { cost: arguments.saturating_add(own), size }
    }
}

fn literal_size(literal: &LiteralValue) -> Sized {
    let (of, max) = match literal {
        LiteralValue::String(s) => (Type::String, s.inner().len() as u64),
        LiteralValue::Bytes(b) => (Type::Bytes, b.inner().len() as u64),
        LiteralValue::Boolean(_) => (Type::Bool, 1),
        _ => (Type::Int, 1),
    };
    Sized { of, max: Some(max), inside: vec![] }
}

fn field_size(of: &Sized, name: &str) -> Sized {
    match &of.of {
        Type::Object(object) => object.fields.get(name).cloned().unwrap_or_else(|| Sized::new(Type::Dyn)),
        Type::Map(..) => of.inside.last().cloned().unwrap_or_else(|| Sized::new(Type::Dyn)),
        _ => Sized::new(Type::Dyn),
    }
}

fn call_cost(function: &str, sizes: &[u64]) -> u64 {
    let at = |i: usize| sizes.get(i).copied().unwrap_or(1);
    match function {
        "_&&_" | "_||_" | "_?_:_" | "!_" | "@not_strictly_false" => u64::from(function == "!_"),
        "contains" | "find" | "findAll" | "matches" => traversal(at(0)).saturating_mul(traversal(at(1)).max(1)),
        "startsWith" | "endsWith" => traversal(at(1)),
        "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" => traversal(at(0).min(at(1))).max(1),
        "@in" => at(1),
        "_+_" | "string" | "bytes" | "lowerAscii" | "upperAscii" | "replace" | "split" | "substring" | "trim" | "join" | "charAt"
        | "indexOf" | "lastIndexOf" | "quantity" | "isQuantity" | "url" | "isURL" | "ip" | "cidr" | "isIP" | "isCIDR" | "format" => {
            traversal(sizes.iter().fold(0, |sum, s| sum.saturating_add(*s))).max(1)
        }
        "isSorted" | "sum" | "min" | "max" | "distinct" | "sort" | "reverse" | "flatten" => at(0),
        _ => 1,
    }
}

fn result_size(function: &str, all: &[Known], sizes: &[u64]) -> Sized {
    let first = || all.first().map_or_else(|| Sized::new(Type::Dyn), |a| a.size.clone());
    match function {
        "_+_" => Sized { max: Some(sizes.iter().fold(0, |sum, s| sum.saturating_add(*s))), ..first() },
        "_[_]" => first().inside.last().cloned().unwrap_or_else(|| Sized::new(Type::Dyn)),
        "_?_:_" => all.iter().skip(1).map(|a| a.size.clone()).max_by_key(largest).unwrap_or_else(|| Sized::new(Type::Dyn)),
        // The estimator of the API server knows nothing of the size of a converted string.
        "string" if matches!(first().of, Type::String) => Sized { max: Some(u64::MAX), ..first() },
        "string" | "lowerAscii" | "upperAscii" | "trim" | "substring" | "value" | "orValue" | "reverse" | "sort" | "distinct" => first(),
        "size" | "int" | "uint" | "double" => Sized { of: Type::Int, max: Some(1), inside: vec![] },
        "split" => Sized { of: Type::List(Box::new(Type::String)), max: sizes.first().copied(), inside: vec![first()] },
        "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" | "_&&_" | "_||_" | "!_" | "@in" | "contains" | "startsWith" | "endsWith"
        | "matches" | "hasValue" | "isQuantity" => Sized { of: Type::Bool, max: Some(1), inside: vec![] },
        _ => Sized::new(Type::Dyn),
    }
}
