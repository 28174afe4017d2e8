//! A profile as YAML: one table a line, so that a difference of two profiles can be read.

use serde_json::Value;
use sim_core::cluster::Profile;

/// The YAML of a profile, below these lines of comment.
pub fn write_profile(profile: &Profile, head: &[String]) -> Result<String, String> {
    let value = serde_json::to_value(profile).map_err(|e| e.to_string())?;
    let mut text: String = head.iter().map(|line| format!("# {line}\n")).collect();
    write_map(&value, 0, &mut text);
    Ok(text)
}

fn write_map(value: &Value, depth: usize, text: &mut String) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        text.push_str(&format!("{:depth$}{}:", "", quoted(key), depth = depth));
        match inner {
            Value::Object(map) if !map.is_empty() => {
                text.push('\n');
                write_map(inner, depth + 2, text);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                text.push('\n');
                items.iter().for_each(|item| write_item(item, depth + 2, text));
            }
            other => text.push_str(&format!(" {}\n", flow(other))),
        }
    }
}

fn write_item(item: &Value, depth: usize, text: &mut String) {
    let mut inner = String::new();
    write_map(item, depth + 2, &mut inner);
    text.push_str(&format!("{:depth$}- {}", "", inner.trim_start(), depth = depth));
}

/// JSON with a blank after each comma, which is YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            format!("{{{}}}", map.iter().map(|(k, v)| format!("{}: {}", quoted(k), flow(v))).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A key; in quotes if it is more than a word.
fn quoted(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric());
    if plain { key.to_owned() } else { Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let profile = Profile::three_nodes();
        let text = write_profile(&profile, &["made by hand".into()]).expect("it can be written");
        assert!(text.starts_with("# made by hand\n") && text.contains("\n  read: ["), "{text}");
        assert_eq!(sim_core::scenario::profile_of(&text), Ok(profile));
    }
}
