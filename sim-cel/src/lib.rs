//! CEL as Kubernetes v1.36 has it: expressions are parsed, checked against declared types, and evaluated on JSON values, with
//! the messages of cel-go. No clock, no IO, no chance: a program is a function of its variables.
//! The parser is the crate `cel`'s, which is cel-go's grammar with its error texts; checker and interpreter are our own,
//! because no crate has the checker's messages, optionals, two-variable comprehensions and Kubernetes' libraries together.
//! Libraries: standard, strings (version 2), sets, lists (version 3 and Kubernetes' own), regex, URL, quantity, IP, CIDR,
//! format, semver, authorizer, optionals, two-variable comprehensions, `cel.bind`.
//! Not modelled: protobuf types and wrappers, selectors of the authorizer; the cost of an expression is counted in steps, near
//! to cel-go's units but not the same.

mod check;
mod cost;
mod declarations;
mod evaluate;
mod functions;
mod parse;
mod regexes;
mod types;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use cost::Estimate;
pub use evaluate::{EvaluationError, Scope};
pub use functions::base64_bytes;
pub use functions::times::duration_nanos;
pub use regexes::regex_error;
pub use types::{ObjectType, Sized, Type, escape};
pub use value::{AuthorizerQuery, Key, Value};

/// The most steps one evaluation may take (`PerCallLimit`).
pub const PER_CALL_LIMIT: u64 = 1_000_000;

/// The variables an expression may use, by name.
pub type Variables = BTreeMap<String, Sized>;

/// A checked expression.
#[derive(Clone, Debug)]
pub struct Program {
    expression: Arc<cel::IdedExpr>,
    result: Type,
    variables: Vec<String>,
    estimate: Estimate,
}

impl Program {
    /// Parses and checks an expression. The error is cel-go's list of issues, without `compilation failed: `.
    pub fn compile(source: &str, variables: &Variables) -> Result<Program, String> {
        let parsed = parse::parse(source)?;
        let checked = check::check(&parsed, variables)?;
        let estimate = cost::estimate(&parsed.expression, variables);
        Ok(Program { expression: Arc::new(parsed.expression), result: checked.result, variables: checked.variables, estimate })
    }

    /// The type of its result.
    pub fn result_type(&self) -> &Type {
        &self.result
    }

    /// Whether it refers to a variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.variables.iter().any(|v| v == variable)
    }

    /// What it may cost at most.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// Evaluates it; the second part is the number of steps it took.
    pub fn evaluate(&self, scope: &dyn Scope) -> (Result<Value, EvaluationError>, u64) {
        evaluate::evaluate(&self.expression, scope, PER_CALL_LIMIT)
    }
}

#[cfg(test)]
mod tests;
