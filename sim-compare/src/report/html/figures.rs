//! The figures: one table over all scenarios, and large for each.

use std::fmt::Write;

use super::super::{Floor, Row};
use super::markup::{bar, escaped};
use crate::FIGURES;

/// From this share on a figure is good, without a floor.
const GOOD: f64 = 0.97;

pub(super) fn overview(out: &mut String, rows: &[Row], floor: &Floor) {
    let ceiling = rows.iter().any(|row| row.ceiling.is_some());
    let caption = if ceiling { "Share of the ceiling: two recordings of the real cluster, held against each other" } else { "Figures" };
    let heads: String = FIGURES.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    let _ = writeln!(
        out,
        "<div class=\"scroll\"><table class=\"overview\"><caption>{caption}</caption><thead><tr><th scope=\"col\">scenario</th>{heads}</tr></thead><tbody>"
    );
    for (index, row) in rows.iter().enumerate() {
        let _ = write!(out, "<tr><th scope=\"row\"><a href=\"#s{index}\">{}</a></th>", escaped(&row.name));
        for (figure, share) in row.share().all().into_iter().enumerate() {
            let class = class(share, floor.share.unwrap_or(GOOD));
            let own = row.figures.all()[figure];
            let of = row.ceiling.map(|c| format!("<small>{own:.3} of {:.3}</small>", c.all()[figure])).unwrap_or_default();
            let _ = write!(out, "<td class=\"{class}\"><b>{share:.3}</b>{}{of}</td>", bar(share, class));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn class(share: f64, least: f64) -> &'static str {
    if share >= least { "good" } else { "bad" }
}

pub(super) fn cards(out: &mut String, row: &Row) {
    out.push_str("<dl class=\"cards\">\n");
    for (index, name) in FIGURES.iter().enumerate() {
        let (own, share) = (row.figures.all()[index], row.share().all()[index]);
        let class = class(share, GOOD);
        let _ = write!(out, "<div><dt>{name}</dt><dd class=\"{class}\">{own:.3}{}", bar(share, class));
        match row.ceiling {
            Some(ceiling) => {
                let _ = write!(out, "<small>{:.1} % of the ceiling {:.3}</small>", share * 100.0, ceiling.all()[index]);
            }
            None => out.push_str("<small>of 1</small>"),
        }
        out.push_str("</dd></div>\n");
    }
    out.push_str("</dl>\n");
}
