//! Paths into a schema, as `fieldPath` and `selectableFields` write them: `.spec.color`, `.map['key']`.
//! Source: `ValidFieldPath` in apiextensions-apiserver pkg/apiserver/schema/cel/validation.go.

use super::super::schema::SchemaRef;

/// The path in its normal form and the schema it leads to, or what is wrong with it.
pub(crate) fn resolve<'a>(path: &str, schema: SchemaRef<'a>, allow_keys: bool) -> Result<(String, SchemaRef<'a>), String> {
    let tokens = tokens(path);
    let mut tokens = tokens.iter();
    let (mut normal, mut schema) = (String::new(), schema);
    let end = || "unexpected end of JSON path".to_owned();
    while let Some(token) = tokens.next() {
        let name = match token.as_str() {
            "[" if !allow_keys => return Err("array notation is not allowed".into()),
            "[" => {
                let quoted = tokens.next().ok_or_else(end)?;
                let inner = quoted.strip_prefix('\'').and_then(|q| q.strip_suffix('\'')).filter(|_| quoted.len() >= 2);
                let inner = inner.ok_or_else(|| format!("expected single quoted string but got {quoted}"))?;
                let close = tokens.next().ok_or_else(end)?;
                if close != "]" {
                    return Err(format!("expected ] but got {close}"));
                }
                inner.replace("\\'", "'").replace("\\\\", "\\")
            }
            "." => tokens.next().ok_or_else(end)?.clone(),
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        schema = step(schema, &name, &mut normal)?;
    }
    Ok((normal, schema))
}

fn step<'a>(schema: SchemaRef<'a>, name: &str, normal: &mut String) -> Result<SchemaRef<'a>, String> {
    let invalid = || "does not refer to a valid field".to_owned();
    if schema.get("properties").is_some() {
        if !normal.is_empty() {
            normal.push('.');
        }
        normal.push_str(name);
        return schema.property(name).ok_or_else(invalid);
    }
    let next = schema.additional().flatten().ok_or_else(invalid)?;
    normal.push_str(&format!("[{name}]"));
    Ok(next)
}

/// The path's words and delimiters; a quoted word is one token.
fn tokens(path: &str) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    let mut word = String::new();
    let mut is_quoted = false;
    for c in path.chars() {
        match c {
            '\'' if word.is_empty() && !is_quoted => {
                is_quoted = true;
                word.push(c);
            }
            '\'' if is_quoted && !word.ends_with('\\') => {
                is_quoted = false;
                word.push(c);
                found.push(std::mem::take(&mut word));
            }
            '.' | '[' | ']' if !is_quoted => {
                if !word.is_empty() {
                    found.push(std::mem::take(&mut word));
                }
                found.push(c.to_string());
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        found.push(word);
    }
    found
}
