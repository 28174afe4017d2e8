//! JSONPath as kubectl and custom resource columns write it: fields, `['keys']`, indices, slices, unions, `*`, `..` and
//! filters such as `[?(@.type=="Ready")]`. What is not there finds nothing.
//! Not modelled: templates of several paths, `range` and `end`. Source of the rules: client-go util/jsonpath.

use serde_json::Value;

/// A path that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Wildcard,
    Recursive,
    Slice(Slice),
    Union(Vec<Vec<Step>>),
    Filter(Filter),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Slice {
    start: Option<i64>,
    end: End,
    step: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// One item was asked for.
    One,
    Open,
    At(i64),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Vec<Step>,
    compared: Option<(String, Vec<Step>)>,
}

/// Paths longer than this are refused, so that nesting stays shallow.
const LENGTH_MAX: usize = 4096;

/// Filters and unions inside each other, at most.
const DEPTH_MAX: usize = 16;

impl JsonPath {
    /// Reads a path without its braces, such as `.status.phase`.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        if text.len() > LENGTH_MAX {
            return Err(format!("the path is longer than {LENGTH_MAX} bytes"));
        }
        parse_steps(text, 0).map(JsonPath)
    }

    /// What the path finds.
    pub fn find(&self, value: &Value) -> Result<Vec<Value>, String> {
        walk(&self.0, vec![value.clone()])
    }
}

fn parse_steps(text: &str, depth: usize) -> Result<Vec<Step>, String> {
    if depth > DEPTH_MAX {
        return Err("the path is nested too deeply".to_owned());
    }
    let (mut steps, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        rest = match first {
            ' ' | '@' | '$' => &rest[1..],
            '.' if rest.starts_with("..") => {
                if steps.last() == Some(&Step::Recursive) {
                    return Err("invalid multiple recursive descent".to_owned());
                }
                steps.push(Step::Recursive);
                let after = &rest[2..];
                if after.starts_with(|c: char| c == '_' || c.is_alphanumeric()) { field(after, &mut steps) } else { after }
            }
            '.' => field(&rest[1..], &mut steps),
            '[' if rest.starts_with("[?(") => filter(&rest[3..], &mut steps, depth)?,
            '[' => bracket(&rest[1..], &mut steps, depth)?,
            '"' | '\'' => quoted(rest, first, &mut steps)?,
            '+' | '-' | '0'..='9' => number(rest, &mut steps)?,
            _ if rest.starts_with("true") || rest.starts_with("false") => boolean(rest, &mut steps),
            _ if first == '_' || first.is_alphanumeric() => {
                let word: String = rest.chars().take_while(|c| !is_terminator(*c)).collect();
                return Err(format!("unrecognized identifier {word}"));
            }
            other => return Err(format!("unrecognized character in action: U+{:04X} '{other}'", other as u32)),
        };
    }
    Ok(steps)
}

fn is_terminator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

/// Reads a field's name; a backslash takes the next character as it is.
fn field<'a>(text: &'a str, steps: &mut Vec<Step>) -> &'a str {
    let (mut name, mut characters) = (String::new(), text.char_indices());
    let mut end = text.len();
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            name.extend(characters.next().map(|(_, escaped)| escaped));
        } else if is_terminator(c) {
            end = at;
            break;
        } else {
            name.push(c);
        }
    }
    steps.push(if name == "*" { Step::Wildcard } else { Step::Field(name) });
    &text[end..]
}

fn bracket<'a>(text: &'a str, steps: &mut Vec<Step>, depth: usize) -> Result<&'a str, String> {
    let end = text.find(']').ok_or("unterminated array")?;
    let (inside, after) = (&text[..end], &text[end + 1..]);
    if inside.contains(',') {
        let parts = inside.split(',').map(|part| parse_steps(&format!("[{}]", part.trim()), depth + 1));
        steps.push(Step::Union(parts.collect::<Result<_, _>>()?));
    } else if let Some(key) = inside.strip_prefix('\'').and_then(|key| key.strip_suffix('\'')) {
        field(&key.replace('.', "\\."), steps);
    } else {
        steps.push(Step::Slice(slice(if inside == "*" { ":" } else { inside })?));
    }
    Ok(after)
}

fn slice(text: &str) -> Result<Slice, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let read = |part: &str| match part {
        "" => Ok(None),
        digits => digits.parse::<i64>().map(Some).map_err(|_| format!("invalid array index {text}")),
    };
    if parts.len() > 3 || text.is_empty() {
        return Err(format!("invalid array index {text}"));
    }
    let end = match parts.get(1) {
        None => End::One,
        Some(part) => read(part)?.map_or(End::Open, End::At),
    };
    Ok(Slice { start: read(parts[0])?, end, step: read(parts.get(2).copied().unwrap_or_default())? })
}

fn filter<'a>(text: &'a str, steps: &mut Vec<Step>, depth: usize) -> Result<&'a str, String> {
    let end = filter_end(text).ok_or("unterminated filter")?;
    let (inside, after) = (&text[..end], &text[end + 1..]);
    let after = after.strip_prefix(']').ok_or("unclosed array expect ]")?;
    let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let operator_at = inside.find(is_operator).filter(|at| *at > 0);
    let compared = operator_at.map(|at| {
        let right = inside[at..].trim_start_matches(is_operator);
        let operator = &inside[at..inside.len() - right.len()];
        parse_steps(right, depth + 1).map(|right| (operator.to_owned(), right))
    });
    let left = parse_steps(operator_at.map_or(inside, |at| &inside[..at]), depth + 1)?;
    steps.push(Step::Filter(Filter { left, compared: compared.transpose()? }));
    Ok(after)
}

/// Where the parenthesis that closes a filter stands, outside of quotes.
fn filter_end(text: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match quote {
            Some(mark) if c == mark && !escaped => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == ')' => return Some(at),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

fn quoted<'a>(text: &'a str, mark: char, steps: &mut Vec<Step>) -> Result<&'a str, String> {
    let (mut word, mut characters) = (String::new(), text.char_indices().skip(1));
    while let Some((at, c)) = characters.next() {
        if c == mark {
            steps.push(Step::Literal(word.into()));
            return Ok(&text[at + 1..]);
        }
        let taken = if c == '\\' { characters.next().map(|(_, escaped)| escaped) } else { Some(c) };
        word.extend(taken);
    }
    Err("unterminated quoted string".to_owned())
}

fn number<'a>(text: &'a str, steps: &mut Vec<Step>) -> Result<&'a str, String> {
    let sign = usize::from(text.starts_with(['+', '-']));
    let end = text[sign..].find(|c: char| c != '.' && !c.is_ascii_digit()).map_or(text.len(), |at| at + sign);
    let digits = text[..end].trim_start_matches('+');
    let read = digits.parse::<i64>().map(Value::from).or_else(|_| digits.parse::<f64>().map(Value::from));
    steps.push(Step::Literal(read.map_err(|_| format!("cannot parse number {}", &text[..end]))?));
    Ok(&text[end..])
}

fn boolean<'a>(text: &'a str, steps: &mut Vec<Step>) -> &'a str {
    let word = if text.starts_with("true") { "true" } else { "false" };
    steps.push(Step::Literal(Value::Bool(word == "true")));
    &text[word.len()..]
}

fn walk(steps: &[Step], start: Vec<Value>) -> Result<Vec<Value>, String> {
    steps.iter().try_fold(start, |values, step| match step {
        Step::Field(name) => Ok(values.iter().filter_map(|value| value.get(name.as_str())).cloned().collect()),
        Step::Wildcard => Ok(values.into_iter().flat_map(children).collect()),
        Step::Recursive => Ok(values.into_iter().flat_map(descend).collect()),
        Step::Slice(slice) => values.into_iter().map(|value| cut(slice, value)).collect::<Result<Vec<_>, _>>().map(|v| v.concat()),
        Step::Union(parts) => parts.iter().map(|part| walk(part, values.clone())).collect::<Result<Vec<_>, _>>().map(|v| v.concat()),
        Step::Filter(filter) => values.into_iter().map(|value| keep(filter, value)).collect::<Result<Vec<_>, _>>().map(|v| v.concat()),
        Step::Literal(literal) => Ok(values.iter().map(|_| literal.clone()).collect()),
    })
}

fn children(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Object(fields) => fields.into_iter().map(|(_, field)| field).collect(),
        _ => Vec::new(),
    }
}

fn descend(value: Value) -> Vec<Value> {
    let below = children(value.clone());
    if below.is_empty() {
        return Vec::new();
    }
    std::iter::once(value).chain(below.into_iter().flat_map(descend)).collect()
}

fn cut(slice: &Slice, value: Value) -> Result<Vec<Value>, String> {
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        _ => return Err("not an array or slice".to_owned()),
    };
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let start = from_end(slice.start.unwrap_or(0));
    let end = match slice.end {
        End::One => start.saturating_add(1),
        End::Open => length,
        End::At(at) => from_end(at),
    };
    if start == end {
        return Ok(Vec::new());
    }
    let step = slice.step.unwrap_or(1);
    let in_bounds = (0..length).contains(&start) && (start..=length).contains(&end) && step > 0;
    let [start, end, step] = [start, end, step].map(|n| usize::try_from(n).unwrap_or(0));
    in_bounds.then(|| items[start..end].iter().step_by(step).cloned().collect()).ok_or_else(|| "array index out of bounds".to_owned())
}

fn keep(filter: &Filter, value: Value) -> Result<Vec<Value>, String> {
    let Value::Array(items) = value else { return Err("not an array or slice and cannot be filtered".to_owned()) };
    let mut kept = Vec::new();
    for item in items {
        if passes(filter, &item)? {
            kept.push(item);
        }
    }
    Ok(kept)
}

fn passes(filter: &Filter, item: &Value) -> Result<bool, String> {
    let left = walk(&filter.left, vec![item.clone()]);
    let Some((operator, right)) = &filter.compared else { return Ok(left.is_ok_and(|found| !found.is_empty())) };
    match (left?.as_slice(), walk(right, vec![item.clone()])?.as_slice()) {
        ([], _) | (_, []) => Ok(false),
        ([left], [right]) => compare(left, operator, right),
        _ => Err("can only compare one element at a time".to_owned()),
    }
}

fn compare(left: &Value, operator: &str, right: &Value) -> Result<bool, String> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(_), Value::Number(_)) => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Less),
        _ => return Err("incompatible types for comparison".to_owned()),
    };
    match operator {
        "==" => Ok(order == Equal),
        "!=" => Ok(order != Equal),
        "<" => Ok(order == Less),
        ">" => Ok(order == Greater),
        "<=" => Ok(order != Greater),
        ">=" => Ok(order != Less),
        other => Err(format!("unrecognized filter operator {other}")),
    }
}

/// A value as Go prints it in a cell of type string.
pub(super) fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
