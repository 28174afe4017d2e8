//! Label selectors and field selectors: parsed from their string form or from typed ones, matched, and printed as
//! Kubernetes prints them. Source: apimachinery pkg/labels and pkg/fields.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

mod fields;
mod parse;

pub use fields::FieldSelector;

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
    /// Reads the string form: `a=b,c!=d,e in (x,y),!f,g>1`. The error is the API server's.
    pub fn parse(text: &str) -> Result<Selector, String> {
        let mut requirements = parse::requirements(text)?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
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
        for (text, expected) in [
            ("a=b,", "found '', expected: identifier after ','"),
            (",a=b", "found ',', expected: !, identifier, or 'end of string'"),
            ("e in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("e in x", "unable to parse requirement: found 'x' expected: '('"),
            ("a=b c=d", "found 'c', expected: ',' or 'end of string'"),
            ("!a=b", "found '=', expected: ',' or 'end of string'"),
            ("a b c", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("n>=3", "unable to parse requirement: found '=', expected: identifier"),
            ("n>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
        ] {
            assert_eq!(Selector::parse(text).err().as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn words_of_the_grammar_are_labels_where_no_operator_can_be() {
        check("in in (in)", &[("in", "in")], true);
        check("in=x", &[("in", "x")], true);
        check("a in ()", &[("a", "")], true);
        check("a in (,x)", &[("a", "")], true);
        check("a=", &[("a", "")], true);
    }
}
