//! The timelines as a table: what the drawing shows, for reading, searching and screen readers.

use std::fmt::Write;

use super::super::Row;
use super::markup::{escaped, shortened, time};
use super::timeline::Lane;
use crate::comparer::Comparer;

/// A state, or two that are aligned.
struct Line {
    real: Option<(f64, String)>,
    other: Option<(f64, String)>,
    verdict: (&'static str, String),
}

impl Line {
    fn time(&self) -> f64 {
        self.real.as_ref().or(self.other.as_ref()).map_or(0.0, |side| side.0)
    }
}

pub(super) fn table(out: &mut String, comparer: &Comparer, row: &Row, lanes: &[Lane<'_>]) {
    out.push_str(
        "<details><summary>The timelines as a table</summary><div class=\"scroll\" tabindex=\"0\"><table class=\"twin\"><thead><tr><th scope=\"col\">object</th>\
         <th scope=\"col\">state</th><th scope=\"col\">recording</th><th scope=\"col\">beside it</th><th scope=\"col\">verdict</th></tr></thead>\n",
    );
    for lane in lanes {
        let Some(object) = lane.any() else { continue };
        let lines = lines(comparer, row, lane);
        out.push_str("<tbody>\n");
        for (index, line) in lines.iter().enumerate() {
            out.push_str("<tr>");
            if index == 0 {
                let other = lane.other.filter(|o| o.name != object.name).map(|o| format!("<br>↔ {}", escaped(&o.name))).unwrap_or_default();
                let (rows, kind, name) = (lines.len(), escaped(&object.group.kind), escaped(&object.name));
                let _ = write!(out, "<th scope=\"rowgroup\" rowspan=\"{rows}\">{kind}<br><small>{name}{other}</small></th>");
            }
            let at = |side: &Option<(f64, String)>| side.as_ref().map_or("–".into(), |(at, _)| time(*at));
            let what = line.real.as_ref().or(line.other.as_ref()).map_or("", |side| &side.1);
            let (class, verdict) = &line.verdict;
            let _ = write!(out, "<td>{}</td><td>{}</td><td>{}</td>", shortened(what, 200), at(&line.real), at(&line.other));
            let _ = write!(out, "<td><span class=\"verdict {class}\">{}</span></td></tr>", escaped(verdict));
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table></div></details>\n");
}

fn lines(comparer: &Comparer, row: &Row, lane: &Lane<'_>) -> Vec<Line> {
    let (real_side, other_side) = (&row.comparison.real, &row.comparison.other);
    let real_at = |i: usize| Some((lane.real?.states.get(i)?.time, comparer.state_name(real_side, lane.one.real?, i)));
    let other_at = |j: usize| Some((lane.other?.states.get(j)?.time, comparer.state_name(other_side, lane.one.other?, j)));
    let mut lines = Vec::new();
    for pair in &lane.one.pairs {
        let (real, other) = (real_at(pair.real), other_at(pair.other));
        let apart = real.as_ref().zip(other.as_ref()).map_or(0.0, |(a, b)| b.0 - a.0);
        let on_time = real.as_ref().zip(other.as_ref()).is_none_or(|(a, b)| comparer.tolerances().same_time(a.0, b.0));
        let verdict = match (on_time, pair.likeness < 1.0) {
            (false, _) => ("late", format!("other time, {apart:+.2} s")),
            (true, true) => ("field", format!("other fields, {:.0} % alike", pair.likeness * 100.0)),
            (true, false) => ("fine", format!("aligned, {apart:+.2} s")),
        };
        lines.push(Line { real, other, verdict });
    }
    let (reals, others): (Vec<usize>, Vec<usize>) = lane.one.pairs.iter().map(|p| (p.real, p.other)).unzip();
    for i in (0..lane.real.map_or(0, |t| t.states.len())).filter(|i| reals.binary_search(i).is_err()) {
        lines.push(Line { real: real_at(i), other: None, verdict: ("alone", "missing step".into()) });
    }
    for j in (0..lane.other.map_or(0, |t| t.states.len())).filter(|j| others.binary_search(j).is_err()) {
        lines.push(Line { real: None, other: other_at(j), verdict: ("alone", "extra step".into()) });
    }
    lines.sort_by(|a, b| a.time().total_cmp(&b.time()));
    lines
}
