//! Strings and bytes: the standard functions, the extension `strings` version 2, Kubernetes' `find`, and conversions to text.

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::Value;

use super::times;

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("_+_", [Value::String(a), Value::String(b)]) => text(format!("{a}{b}")),
        ("_+_", [Value::Bytes(a), Value::Bytes(b)]) => Ok(Value::Bytes([&a[..], &b[..]].concat().into())),
        ("size", [Value::String(s)]) => count(s.chars().count()),
        ("size", [Value::Bytes(b)]) => count(b.len()),
        ("string", [Value::Bytes(b)]) => match std::str::from_utf8(b) {
            Ok(s) => text(s.to_owned()),
            Err(_) => Err(EvaluationError::new("invalid UTF-8 in bytes, cannot convert to string")),
        },
        ("string", [value]) => text_of(value).map_or_else(|| Err(EvaluationError::no_such_overload()), text),
        ("bytes", [Value::String(s)]) => Ok(Value::Bytes(s.as_bytes().into())),
        ("bytes", [Value::Bytes(b)]) => Ok(Value::Bytes(b.clone())),
        ("contains", [Value::String(s), Value::String(part)]) => Ok(Value::Bool(s.contains(&**part))),
        ("startsWith", [Value::String(s), Value::String(part)]) => Ok(Value::Bool(s.starts_with(&**part))),
        ("endsWith", [Value::String(s), Value::String(part)]) => Ok(Value::Bool(s.ends_with(&**part))),
        ("matches", [Value::String(s), Value::String(p)]) => pattern(p).map(|r| Value::Bool(r.is_match(s))),
        ("find", [Value::String(s), Value::String(p)]) => {
            pattern(p).map(|r| Value::text(r.find(s).map(|m| m.as_str()).unwrap_or_default()))
        }
        ("findAll", [Value::String(s), Value::String(p), rest @ ..]) => pattern(p).map(|r| {
            let most = match rest {
                [Value::Int(n)] => usize::try_from(*n).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            Value::list(r.find_iter(s).take(most).map(|m| Value::text(m.as_str())).collect())
        }),
        ("lowerAscii", [Value::String(s)]) => text(s.to_ascii_lowercase()),
        ("upperAscii", [Value::String(s)]) => text(s.to_ascii_uppercase()),
        ("trim", [Value::String(s)]) => text(s.trim().to_owned()),
        ("reverse", [Value::String(s)]) => text(s.chars().rev().collect()),
        ("charAt", [Value::String(s), Value::Int(i)]) => char_at(s, *i),
        ("indexOf", [Value::String(s), Value::String(part), rest @ ..]) => index_of(s, part, rest),
        ("lastIndexOf", [Value::String(s), Value::String(part), rest @ ..]) => last_index_of(s, part, rest),
        ("replace", [Value::String(s), Value::String(from), Value::String(to)]) => text(s.replace(&**from, to)),
        ("replace", [Value::String(s), Value::String(from), Value::String(to), Value::Int(n)]) => match usize::try_from(*n) {
            Ok(n) => text(s.replacen(&**from, to, n)),
            Err(_) => text(s.replace(&**from, to)),
        },
        ("split", [Value::String(s), Value::String(separator)]) => Ok(split(s, separator, -1)),
        ("split", [Value::String(s), Value::String(separator), Value::Int(n)]) => Ok(split(s, separator, *n)),
        ("substring", [Value::String(s), Value::Int(from)]) => substring(s, *from, None),
        ("substring", [Value::String(s), Value::Int(from), Value::Int(to)]) => substring(s, *from, Some(*to)),
        ("join", [Value::List(items)]) => join(items, ""),
        ("join", [Value::List(items), Value::String(separator)]) => join(items, separator),
        ("strings.quote", [Value::String(s)]) => text(format!("{s:?}")),
        ("format", [Value::String(s), Value::List(items)]) => format(s, items),
        ("jsonpatch.escapeKey", [Value::String(s)]) => text(s.replace('~', "~0").replace('/', "~1")),
        _ => return None,
    })
}

fn text(text: String) -> Outcome {
    Ok(Value::String(text.into()))
}

fn count(count: usize) -> Outcome {
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn pattern(pattern: &str) -> Result<regex::Regex, EvaluationError> {
    let why = || crate::regex_error(pattern).unwrap_or_default();
    regex::Regex::new(pattern).map_err(|_| EvaluationError::new(why()))
}

/// A value as `string()` writes it, if it can.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(s) => s.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Uint(u) => u.to_string(),
        Value::Double(d) => d.to_string(),
        Value::Duration(d) => times::duration_text(*d),
        Value::Timestamp(t) => t.to_string(),
        Value::Ip(ip) => ip.to_string(),
        Value::Cidr(cidr) => cidr.to_string(),
        Value::Quantity(q) => q.to_string(),
        Value::Type(name) => name.to_string(),
        _ => return None,
    })
}

fn out_of_range(index: i64) -> EvaluationError {
    EvaluationError::new(format!("index out of range: {index}"))
}

fn char_at(s: &str, index: i64) -> Outcome {
    let at = usize::try_from(index).map_err(|_| out_of_range(index))?;
    if at == s.chars().count() {
        return text(String::new());
    }
    s.chars().nth(at).map(|c| Value::text(&c.to_string())).ok_or_else(|| out_of_range(index))
}

fn find(s: &[char], part: &[char], mut places: impl Iterator<Item = usize>) -> i64 {
    let found = places.find(|i| s.get(*i..*i + part.len()) == Some(part));
    found.and_then(|i| i64::try_from(i).ok()).unwrap_or(-1)
}

fn index_of(s: &str, part: &str, rest: &[Value]) -> Outcome {
    let (s, part): (Vec<char>, Vec<char>) = (s.chars().collect(), part.chars().collect());
    let from = match rest {
        [Value::Int(from)] => usize::try_from(*from).ok().filter(|f| *f <= s.len()).ok_or_else(|| out_of_range(*from))?,
        _ => 0,
    };
    Ok(Value::Int(find(&s, &part, from..=s.len())))
}

fn last_index_of(s: &str, part: &str, rest: &[Value]) -> Outcome {
    let (s, part): (Vec<char>, Vec<char>) = (s.chars().collect(), part.chars().collect());
    let to = match rest {
        [Value::Int(to)] => usize::try_from(*to).ok().filter(|t| *t <= s.len()).ok_or_else(|| out_of_range(*to))?,
        _ => s.len(),
    };
    Ok(Value::Int(find(&s, &part, (0..=to).rev())))
}

fn split(s: &str, separator: &str, most: i64) -> Value {
    let whole: Vec<String> =
        if separator.is_empty() { s.chars().map(String::from).collect() } else { s.split(separator).map(str::to_owned).collect() };
    let most = usize::try_from(most).unwrap_or(whole.len());
    if most == 0 {
        return Value::list(vec![]);
    }
    let mut parts: Vec<String> = whole.iter().take(most).cloned().collect();
    if whole.len() > most
        && let Some(last) = parts.last_mut()
    {
        *last = whole[most - 1..].join(separator);
    }
    Value::list(parts.iter().map(|p| Value::text(p)).collect())
}

fn substring(s: &str, from: i64, to: Option<i64>) -> Outcome {
    let chars: Vec<char> = s.chars().collect();
    let length = i64::try_from(chars.len()).unwrap_or(i64::MAX);
    let to = to.unwrap_or(length);
    if from < 0 || from > length {
        return Err(out_of_range(from));
    }
    if to < 0 || to > length {
        return Err(out_of_range(to));
    }
    if from > to {
        return Err(EvaluationError::new(format!("invalid substring range. start: {from}, end: {to}")));
    }
    let (from, to) = (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0));
    text(chars[from..to].iter().collect())
}

fn join(items: &[Value], separator: &str) -> Outcome {
    let parts: Option<Vec<&str>> = items.iter().map(|i| if let Value::String(s) = i { Some(&**s) } else { None }).collect();
    parts.map_or_else(|| Err(EvaluationError::no_such_overload()), |p| text(p.join(separator)))
}

/// `'%s is %d'.format([…])`: `%s %d %f %e %x %X %o %b` and `%%`.
fn format(pattern: &str, items: &[Value]) -> Outcome {
    let mut out = String::new();
    let mut items = items.iter();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut precision = None;
        if chars.peek() == Some(&'.') {
            chars.next();
            let digits: String = std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).collect();
            precision = digits.parse::<usize>().ok();
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some(verb) => {
                let item = items.next().ok_or_else(|| EvaluationError::new("index 0 out of range"))?;
                out.push_str(&verb_text(verb, precision, item)?);
            }
            None => return Err(EvaluationError::new("unexpected end of string")),
        }
    }
    text(out)
}

fn verb_text(verb: char, precision: Option<usize>, item: &Value) -> Result<String, EvaluationError> {
    let number = |v: &Value| match v {
        Value::Double(d) => Some(*d),
        Value::Int(i) => Some(*i as f64),
        Value::Uint(u) => Some(*u as f64),
        _ => None,
    };
    let found = match (verb, item) {
        ('s', value) => Some(shown(value)),
        ('d', Value::Int(i)) => Some(i.to_string()),
        ('d', Value::Uint(u)) => Some(u.to_string()),
        ('f', value) => number(value).map(|n| format!("{n:.*}", precision.unwrap_or(6))),
        ('e', value) => number(value).map(|n| format!("{n:.*e}", precision.unwrap_or(6))),
        ('x', Value::Int(i)) => Some(format!("{i:x}")),
        ('X', Value::Int(i)) => Some(format!("{i:X}")),
        ('x', Value::String(s)) => Some(s.bytes().map(|b| format!("{b:02x}")).collect()),
        ('o', Value::Int(i)) => Some(format!("{i:o}")),
        ('b', Value::Int(i)) => Some(format!("{i:b}")),
        ('b', Value::Bool(b)) => Some(u8::from(*b).to_string()),
        _ => None,
    };
    let kind = item.type_name();
    found.ok_or_else(|| EvaluationError::new(format!("error during formatting: no formatting function for '%{verb}' of type {kind}")))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let parts: Vec<String> = map.iter().map(|(k, v)| format!("{}: {}", shown(&k.value()), shown(v))).collect();
            format!("{{{}}}", parts.join(", "))
        }
        Value::Bytes(b) => String::from_utf8_lossy(b).into_owned(),
        other => text_of(other).unwrap_or_default(),
    }
}

/// The bytes of a base64 text.
pub fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut held) = (vec![], 0_u32, 0_u32);
    for b in text.bytes().filter(|b| *b != b'=') {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 0xff).unwrap_or_default());
        }
    }
    Some(out)
}
