//! How the seeds' spread covers the recording's times.

use std::fmt::Write;

use super::markup::{escaped, shortened, time};
use crate::coverage::Coverage;
use crate::report::Row;

/// So many uncovered states are shown.
const SHOWN_MAX: usize = 60;

pub(super) fn coverage(out: &mut String, coverage: &Coverage, row: &Row) {
    let _ = write!(
        out,
        "<h3>Is it one more seed?</h3>\n<p>The times of <b>{:.1} %</b> of {} aligned states lie within what {} seeds span, give or take {:.0} ms; \
         {:.1} % without that.</p>\n",
        coverage.share() * 100.0,
        coverage.aligned,
        coverage.seeds,
        coverage.clock * 1000.0,
        coverage.share_exactly() * 100.0
    );
    let (exactly, covered) = (coverage.share_exactly() * 100.0, coverage.share() * 100.0);
    let _ = writeln!(
        out,
        "<svg class=\"bar wide\" viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"bad\" width=\"100\" height=\"6\"/>\
         <rect class=\"near\" width=\"{covered:.2}\" height=\"6\"/><rect class=\"good\" width=\"{exactly:.2}\" height=\"6\"/></svg>"
    );
    if let Some((least, median)) = row.covered_of_each_other() {
        let _ = writeln!(
            out,
            "<p>Each seed held against the others as the recording is: {:.1} % in the median, {:.1} % at least; {} of {} as much as the recording.</p>",
            median * 100.0,
            least * 100.0,
            row.covered_seeds(coverage.share()),
            row.each_other.len()
        );
    }
    if coverage.uncovered.is_empty() {
        return;
    }
    out.push_str(
        "<div class=\"scroll\"><table class=\"twin\"><caption>States that no seed comes to in time, the worst first</caption><thead><tr>\
         <th scope=\"col\">object</th><th scope=\"col\">state</th><th scope=\"col\">recording</th><th scope=\"col\">seeds</th>\
         <th scope=\"col\">outside by</th></tr></thead><tbody>\n",
    );
    for state in coverage.uncovered.iter().take(SHOWN_MAX) {
        let _ = writeln!(
            out,
            "<tr><td>{}<br><small>{}</small></td><td>{}</td><td>{}</td><td>{} to {}</td><td>{:+.2} s</td></tr>",
            escaped(&state.group),
            escaped(&state.object),
            shortened(&state.what, 200),
            time(state.real),
            time(state.least),
            time(state.most),
            state.outside()
        );
    }
    out.push_str("</tbody></table></div>\n");
    if coverage.uncovered.len() > SHOWN_MAX {
        let _ = writeln!(out, "<p class=\"note\">{} more are left out.</p>", coverage.uncovered.len() - SHOWN_MAX);
    }
}
