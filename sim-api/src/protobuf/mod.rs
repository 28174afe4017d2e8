//! Reads Kubernetes' protobuf bodies (`application/vnd.kubernetes.protobuf`): four magic bytes, an envelope that names the type,
//! the message. The outcome is the JSON that Go would write for the same object. Driven by `messages.txt`, which
//! `tables/protobuf.py` writes; typed clients post such bodies, and take answers in JSON too.
//! Nothing in a body can make the reader panic or recurse without end. `encode` is the way back, for clients that accept nothing
//! else. Not modelled: compressed bodies, streams in protobuf.

mod encode;
mod messages;
mod special;
mod value;
mod wire;

pub use encode::encode;

use serde_json::Value;

use value::Reader;
use wire::{Field, fields};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// The bytes that a body begins with.
const MAGIC: [u8; 4] = *b"k8s\0";

/// Whether a body is in Kubernetes' protobuf.
pub fn is_protobuf(body: &[u8]) -> bool {
    body.starts_with(&MAGIC)
}

/// Reads a body as JSON. The error says what is wrong with it.
pub fn decode(body: &[u8]) -> Result<Value, String> {
    let envelope = body.strip_prefix(&MAGIC).ok_or_else(|| {
        let prefix = MAGIC.map(|byte| byte.to_string()).join(" ");
        format!("provided data does not appear to be a protobuf message, expected prefix [{prefix}]")
    })?;
    let Envelope { api_version, kind, message } = open(envelope)?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let of = messages::of_kind(group, version, &kind)
        .ok_or_else(|| format!("no kind \"{kind}\" is registered for version \"{api_version}\" in scheme"))?;
    let mut object = Reader::new().message(of, message)?;
    let Value::Object(found) = &mut object else { return Err(format!("{kind} is no object")) };
    found.insert("apiVersion".into(), api_version.into());
    found.insert("kind".into(), kind.into());
    Ok(object)
}

/// `runtime.Unknown`: what it is, and the bytes.
struct Envelope<'a> {
    api_version: String,
    kind: String,
    message: &'a [u8],
}

fn open(bytes: &[u8]) -> Result<Envelope<'_>, String> {
    let mut envelope = Envelope { api_version: String::new(), kind: String::new(), message: &[] };
    for (number, field) in fields(bytes)? {
        match (number, field) {
            (1, Field::Bytes(type_meta)) => {
                for (number, field) in fields(type_meta)? {
                    match (number, field) {
                        (1, Field::Bytes(text)) => envelope.api_version = wire::text(text)?,
                        (2, Field::Bytes(text)) => envelope.kind = wire::text(text)?,
                        _ => {}
                    }
                }
            }
            (2, Field::Bytes(message)) => envelope.message = message,
            (3, Field::Bytes(encoding)) if !encoding.is_empty() => return Err("compressed bodies cannot be read".to_owned()),
            _ => {}
        }
    }
    Ok(envelope)
}

#[cfg(test)]
mod tests;
