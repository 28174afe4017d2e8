//! Label selectors and field selectors: parsed from their string form or from typed ones, matched, and printed as
//! Kubernetes prints them. Source: apimachinery pkg/labels and pkg/fields.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// The value is one of these.
    In,
    /// The value is none of these, or there is none.
    NotIn,
    /// There is a value.
    Exists,
    /// There is none.
    DoesNotExist,
    /// The value is a greater number.
    Gt,
    /// The value is a smaller number.
    Lt,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it compares.
    pub operator: Operator,
    /// With what; sorted.
    pub values: Vec<String>,
    /// Whether an equality was written with `=` or `==` or `!=`, which print differently from `in`.
    equality: bool,
}

impl Requirement {
    /// A requirement; values are sorted.
    pub fn new(key: &str, operator: Operator, mut values: Vec<String>) -> Self {
        values.sort();
        Requirement { key: key.to_owned(), operator, values, equality: false }
    }

    /// Whether these labels meet it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.admits(labels.get(&self.key).map(String::as_str))
    }

    /// Whether a value (or none) meets it.
    pub fn admits(&self, value: Option<&str>) -> bool {
        let is_one = |v: &str| self.values.iter().any(|w| w == v);
        match self.operator {
            Operator::In => value.is_some_and(is_one),
            Operator::NotIn => !value.is_some_and(is_one),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => self.compared(value).is_some_and(|o| o.is_gt()),
            Operator::Lt => self.compared(value).is_some_and(|o| o.is_lt()),
        }
    }

    fn compared(&self, value: Option<&str>) -> Option<std::cmp::Ordering> {
        let found: i64 = value?.parse().ok()?;
        Some(found.cmp(&self.values.first()?.parse().ok()?))
    }
}

/// All requirements of a selector; without any it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl Selector {
    /// Reads the string form: `a=b,c!=d,e in (x,y),!f,g>1`.
    pub fn parse(text: &str) -> Result<Selector, String> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err("found '', expected: identifier after ','".into());
            }
            requirements.push(parse_requirement(part)?);
        }
        requirements.sort();
        Ok(Selector { requirements, nothing: false })
    }

    /// From the typed form; an empty one selects everything.
    pub fn from_label_selector(selector: &LabelSelector) -> Result<Selector, String> {
        let equal = |(k, v): (&String, &String)| Requirement { equality: true, ..Requirement::new(k, Operator::In, vec![v.clone()]) };
        let mut requirements: Vec<Requirement> = selector.match_labels.iter().flatten().map(equal).collect();
        for expression in selector.match_expressions.iter().flatten() {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("{other:?} is not a valid label selector operator")),
            };
            requirements.push(Requirement::new(&expression.key, operator, expression.values.clone().unwrap_or_default()));
        }
        requirements.sort();
        Ok(Selector { requirements, nothing: false })
    }

    /// From plain pairs, as services and replication controllers have them.
    pub fn from_pairs(pairs: &BTreeMap<String, String>) -> Selector {
        let equal = |(k, v): (&String, &String)| Requirement { equality: true, ..Requirement::new(k, Operator::In, vec![v.clone()]) };
        Selector { requirements: pairs.iter().map(equal).collect(), nothing: false }
    }

    /// Whether these labels are selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_requirement(text: &str) -> Result<Requirement, String> {
    if let Some(key) = text.strip_prefix('!') {
        return Ok(Requirement::new(checked_key(key)?, Operator::DoesNotExist, vec![]));
    }
    let equality = |key: &str, operator, value: &str| {
        let key = checked_key(key)?;
        Ok(Requirement { equality: true, ..Requirement::new(key, operator, vec![checked_value(value)?.to_owned()]) })
    };
    if let Some((key, value)) = text.split_once("!=") {
        return equality(key, Operator::NotIn, value);
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return equality(key, Operator::In, value);
    }
    for (sign, operator) in [('>', Operator::Gt), ('<', Operator::Lt)] {
        if let Some((key, value)) = text.split_once(sign) {
            let value = value.trim();
            value
                .parse::<i64>()
                .map_err(|_| format!("values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"))?;
            return Ok(Requirement::new(checked_key(key)?, operator, vec![value.to_owned()]));
        }
    }
    if let Some((head, rest)) = text.split_once('(') {
        return parse_set(head, rest);
    }
    Ok(Requirement::new(checked_key(text)?, Operator::Exists, vec![]))
}

fn parse_set(head: &str, rest: &str) -> Result<Requirement, String> {
    let values = rest.trim_end().strip_suffix(')').ok_or_else(|| "found '', expected: ',' or ')'".to_owned())?;
    let mut words = head.split_whitespace();
    let (key, operator) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let operator = match operator {
        "in" => Operator::In,
        "notin" => Operator::NotIn,
        other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
    };
    let values = values.split(',').map(|v| checked_value(v).map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
    Ok(Requirement::new(checked_key(key)?, operator, values))
}

fn checked_key(key: &str) -> Result<&str, String> {
    let key = key.trim();
    let name = key.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name.len() > 63 || !is_label_text(name) {
        return Err(format!(
            "key: Invalid value: {key:?}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        ));
    }
    Ok(key)
}

fn checked_value(value: &str) -> Result<&str, String> {
    let value = value.trim();
    if !value.is_empty() && (value.len() > 63 || !is_label_text(value)) {
        return Err(format!(
            "values[0]: Invalid value: {value:?}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        ));
    }
    Ok(value)
}

fn is_label_text(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next()) && edge(text.chars().last()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.requirements.iter().map(|r| r.to_string()).collect();
        f.write_str(&parts.join(","))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.join(",");
        match self.operator {
            Operator::In if self.equality => write!(f, "{}={values}", self.key),
            Operator::NotIn if self.equality => write!(f, "{}!={values}", self.key),
            Operator::In => write!(f, "{} in ({values})", self.key),
            Operator::NotIn => write!(f, "{} notin ({values})", self.key),
            Operator::Exists => f.write_str(&self.key),
            Operator::DoesNotExist => write!(f, "!{}", self.key),
            Operator::Gt => write!(f, "{}>{values}", self.key),
            Operator::Lt => write!(f, "{}<{values}", self.key),
        }
    }
}

/// A field selector: equalities on paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<(String, String, bool)>,
}

impl FieldSelector {
    /// Reads `a.b=c,d!=e`.
    pub fn parse(text: &str) -> Result<FieldSelector, String> {
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, value, true)
            } else {
                return Err(format!("invalid selector: '{text}'; can't understand '{part}'"));
            };
            terms.push((path.trim().to_owned(), value.trim().to_owned(), equal));
        }
        Ok(FieldSelector { terms })
    }

    /// Whether an object matches, given its fields; a missing field is empty.
    pub fn matches(&self, field: impl Fn(&str) -> Option<String>) -> bool {
        self.terms.iter().all(|(path, value, equal)| (field(path).unwrap_or_default() == *value) == *equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, labels: &[(&str, &str)], expected: bool) {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(Selector::parse(selector).map(|s| s.matches(&labels)), Ok(expected), "{selector}");
    }

    #[test]
    fn a_selector_means_all_of_its_requirements() {
        check("", &[], true);
        check("a=b,c!=d", &[("a", "b")], true);
        check("a=b,c!=d", &[("a", "b"), ("c", "d")], false);
        check("e in (x, y),!f", &[("e", "y")], true);
        check("e notin (x)", &[], true);
        check("g>1", &[("g", "2")], true);
        check("g>1", &[("g", "x")], false);
    }

    #[test]
    fn a_selector_prints_sorted_and_reads_back() {
        let printed = Selector::parse("e in (y,x),a==b,!f").map(|s| s.to_string());
        assert_eq!(printed.as_deref(), Ok("a=b,e in (x,y),!f"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["a=b,", "e in (x", "a b c", "=x", "g>y"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
