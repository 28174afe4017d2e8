//! Semantic versions. Source: apiserver pkg/cel/library/semverlib.go, blang/semver.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::Value;

/// A semantic version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Semver {
    numbers: [u64; 3],
    pre_release: Vec<String>,
}

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    let normal = |rest: &[Value]| matches!(rest, [Value::Bool(true)]);
    let is_version = |v: &Value| matches!(v, Value::Semver(_));
    if !matches!(name, "semver" | "isSemver") && !args.first().is_some_and(is_version) {
        return None;
    }
    Some(match (name, args) {
        ("semver", [Value::String(s), rest @ ..]) => {
            let why = || EvaluationError::new("No Major.Minor.Patch elements found");
            parse(s, normal(rest)).map(|v| Value::Semver(Arc::new(v))).ok_or_else(why)
        }
        ("isSemver", [Value::String(s), rest @ ..]) => Ok(Value::Bool(parse(s, normal(rest)).is_some())),
        ("major" | "minor" | "patch", [Value::Semver(v)]) => {
            let index = ["major", "minor", "patch"].iter().position(|n| *n == name).unwrap_or_default();
            Ok(Value::Int(i64::try_from(v.numbers[index]).unwrap_or(i64::MAX)))
        }
        ("isLessThan", [Value::Semver(a), Value::Semver(b)]) => Ok(Value::Bool(order(a, b) == Ordering::Less)),
        ("isGreaterThan", [Value::Semver(a), Value::Semver(b)]) => Ok(Value::Bool(order(a, b) == Ordering::Greater)),
        ("compareTo", [Value::Semver(a), Value::Semver(b)]) => Ok(Value::Int(order(a, b) as i64)),
        _ => return None,
    })
}

fn parse(text: &str, normalize: bool) -> Option<Semver> {
    let text = if normalize { text.strip_prefix('v').unwrap_or(text) } else { text };
    let text = text.split('+').next().unwrap_or_default();
    let (core, pre) = text.split_once('-').unwrap_or((text, ""));
    let mut parts: Vec<&str> = core.split('.').collect();
    while normalize && parts.len() < 3 {
        parts.push("0");
    }
    let [major, minor, patch] = parts.as_slice() else { return None };
    let number = |t: &str| {
        let is_good = !t.is_empty() && t.chars().all(|c| c.is_ascii_digit()) && (normalize || t.len() == 1 || !t.starts_with('0'));
        if is_good { t.parse::<u64>().ok() } else { None }
    };
    let pre_release = if pre.is_empty() { vec![] } else { pre.split('.').map(str::to_owned).collect() };
    Some(Semver { numbers: [number(major)?, number(minor)?, number(patch)?], pre_release })
}

fn order(a: &Semver, b: &Semver) -> Ordering {
    let pre = || match (a.pre_release.is_empty(), b.pre_release.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ => {
            let each = a.pre_release.iter().zip(&b.pre_release).map(|(x, y)| match (x.parse::<u64>(), y.parse::<u64>()) {
                (Ok(x), Ok(y)) => x.cmp(&y),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                _ => x.cmp(y),
            });
            each.fold(Ordering::Equal, Ordering::then).then(a.pre_release.len().cmp(&b.pre_release.len()))
        }
    };
    a.numbers.cmp(&b.numbers).then_with(pre)
}
