//! One HTML page that needs nothing else: no script, no request, no style attribute; its one style sheet is named by its hash in
//! a content security policy of `default-src 'none'`. All text from recordings is escaped.
//! For each scenario: the figures, the two timelines beside each other, what differs by class, how seeds cover the times. Every
//! drawing has a table beside it that says the same.
//! Limits: so many objects and differences are shown; what is left out is said.

mod coverage;
mod differences;
mod figures;
mod markup;
mod scale;
mod timeline;
mod twin;

use std::fmt::Write;

use base64::Engine;
use sha2::{Digest, Sha256};

use super::{Floor, Row};
use crate::comparer::Comparer;
use markup::escaped;

const STYLE: &str = include_str!("style.css");

/// So many objects of a scenario are drawn.
const LANES_MAX: usize = 300;

/// The page.
pub fn html(comparer: &Comparer, rows: &[Row], floor: &Floor) -> String {
    let mut out = String::new();
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        escaped(&title(rows))
    );
    head(&mut out, rows, floor);
    for (index, row) in rows.iter().enumerate() {
        scenario(&mut out, comparer, row, index, floor);
    }
    out.push_str("<footer>Made by <code>ksim compare</code>. Times are seconds since each recording began.</footer>\n</body>\n</html>\n");
    out
}

fn title(rows: &[Row]) -> String {
    match rows {
        [row] => format!("{}: recorded and simulated", row.name),
        _ => format!("{} scenarios: recorded and simulated", rows.len()),
    }
}

fn head(out: &mut String, rows: &[Row], floor: &Floor) {
    let _ = write!(out, "<header>\n<p class=\"brand\">ksim compare</p>\n<h1>{}</h1>\n", escaped(&title(rows)));
    out.push_str(
        "<p class=\"lead\">A recording of a cluster and a simulation of the same actions, aligned object by object and state by state.</p>\n",
    );
    if rows.len() > 1 {
        out.push_str("<nav>");
        for (index, row) in rows.iter().enumerate() {
            let _ = write!(out, "<a href=\"#s{index}\">{}</a>", escaped(&row.name));
        }
        out.push_str("</nav>\n");
        figures::overview(out, rows, floor);
    }
    out.push_str("</header>\n");
}

fn scenario(out: &mut String, comparer: &Comparer, row: &Row, index: usize, floor: &Floor) {
    let missed = floor.missed(row);
    let _ = write!(out, "<section class=\"scenario\" id=\"s{index}\">\n<h2>{}", escaped(&row.name));
    let (class, word) = if missed.is_empty() { ("pill good", "held") } else { ("pill bad", "below") };
    let asked = floor.share.is_some() || floor.coverage.is_some();
    if asked {
        let _ = write!(out, " <span class=\"{class}\">{word}</span>");
    }
    let _ = write!(out, "</h2>\n<p class=\"about\">{}</p>\n", escaped(&row.comparison.real.header.about));
    let _ = writeln!(out, "<p class=\"sides\"><span class=\"key real\">recording</span> {}", escaped(&row.comparison.real.header.server));
    let _ = writeln!(out, "<span class=\"key other\">beside it</span> {}</p>", escaped(&row.other));
    if asked && !missed.is_empty() {
        let _ = writeln!(out, "<p class=\"missed\">{}</p>", escaped(&missed.join("; ")));
    }
    figures::cards(out, row);
    timeline::timeline(out, comparer, row, index);
    differences::differences(out, row);
    if let Some(found) = &row.coverage {
        coverage::coverage(out, found, row);
    }
    out.push_str("</section>\n");
}
