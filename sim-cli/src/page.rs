//! A run as one page that opens from disk: the browser view with the run's document inside it, compressed.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::session::Played;

/// The page, all in one file.
const PAGE: &str = include_str!("../../ui/dist/single.html");
/// Where the document goes.
const PLACE: &str = "<!--ksim-document-->";

/// The page of a run. The error is one of compression, which does not fail in memory, or of a page without a place for it.
pub fn of(played: &Played) -> std::io::Result<String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut failure = None;
    played.view(&mut |part| {
        if let Err(error) = writeln!(encoder, "{part}") {
            failure.get_or_insert(error);
        }
    });
    if let Some(error) = failure {
        return Err(error);
    }
    let (before, after) = PAGE.split_once(PLACE).ok_or_else(|| std::io::Error::other("the page has no place for the run"))?;
    let document = BASE64_STANDARD.encode(encoder.finish()?);
    Ok(format!("{before}<script type=\"application/json\" id=\"ksim-document\">{document}</script>{after}"))
}
