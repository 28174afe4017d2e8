//! Reads `schemas.zlib`, which `tables/openapi.py` writes. It is decompressed when the first entry is asked for; entries are
//! parsed one by one.

use std::io::Read;
use std::sync::LazyLock;

use flate2::read::ZlibDecoder;
use serde_json::Value;

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = String::new();
    let packed: &[u8] = include_bytes!("schemas.zlib");
    ZlibDecoder::new(packed).read_to_string(&mut text).expect("the archive was packed by the build's own tool");
    text
});

static LINES: LazyLock<Vec<(&'static str, &'static str)>> =
    LazyLock::new(|| TEXT.lines().filter_map(|line| line.split_once('\t')).collect());

/// The entry of that name: a schema, or a parameter if the name begins with a question mark.
pub(super) fn entry(name: &str) -> Option<Value> {
    let at = LINES.binary_search_by(|(found, _)| (*found).cmp(name)).ok()?;
    serde_json::from_str(LINES[at].1).ok()
}

/// The names of all entries, sorted.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LINES.iter().map(|(name, _)| *name)
}

/// The query parameters of this variant (an options kind, or `log`).
pub(super) fn parameters_of(variant: &str) -> Vec<Value> {
    let is_of = |name: &&str| name.starts_with('?') && name.split_once(' ').is_some_and(|(_, of)| of == variant);
    names().filter(is_of).filter_map(entry).collect()
}
