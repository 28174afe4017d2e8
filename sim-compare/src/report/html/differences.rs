//! What differs, by class, the heaviest class first and in it the heaviest difference.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::{Row, costs};
use super::markup::{bar, escaped, shortened, time};
use crate::explain::{Class, Difference};

/// So many differences of a class are shown.
const SHOWN_MAX: usize = 100;

pub(super) fn differences(out: &mut String, row: &Row) {
    out.push_str("<h3>What differs</h3>\n");
    if row.alike() {
        out.push_str("<p class=\"note\">Nothing differs.</p>\n");
        return;
    }
    let mut classes: BTreeMap<Class, Vec<&Difference>> = BTreeMap::new();
    row.differences.iter().for_each(|d| classes.entry(d.class).or_default().push(d));
    let weight = |found: &[&Difference]| found.iter().map(|d| d.weight()).sum::<f64>();
    let mut classes: Vec<_> = classes.into_iter().collect();
    classes.sort_by(|a, b| weight(&b.1).total_cmp(&weight(&a.1)));
    let most = row.differences.first().map_or(1.0, Difference::weight).max(1e-9);
    for (class, found) in classes {
        let count: u64 = found.iter().fold(0, |sum, d| sum.saturating_add(d.count));
        let _ = writeln!(
            out,
            "<div class=\"scroll\"><table class=\"differences\"><caption>{} <small>{count} ×, −{:.4} of the figures</small></caption><thead><tr>\
             <th scope=\"col\">×</th><th scope=\"col\">where</th><th scope=\"col\">what</th><th scope=\"col\">how</th>\
             <th scope=\"col\">first at</th><th scope=\"col\">costs</th></tr></thead><tbody>",
            escaped(class.name()),
            weight(&found)
        );
        found.iter().take(SHOWN_MAX).for_each(|d| line(out, d, most));
        out.push_str("</tbody></table></div>\n");
        if found.len() > SHOWN_MAX {
            let _ = writeln!(out, "<p class=\"note\">{} smaller ones are left out.</p>", found.len() - SHOWN_MAX);
        }
    }
}

fn line(out: &mut String, difference: &Difference, most: f64) {
    let own = if difference.real_too { " <span class=\"pill\">real recordings differ, too</span>" } else { "" };
    let at = difference.examples.first().map_or(String::new(), |e| {
        let told = |t: Option<f64>| t.map_or("–".into(), time);
        format!("{} / {}", told(e.real_time), told(e.other_time))
    });
    let _ = writeln!(
        out,
        "<tr><td class=\"count\">{}</td><td>{}</td><td>{}{own}</td><td>{}</td><td class=\"at\">{at}</td><td class=\"costs\">{}<small>{}</small></td></tr>",
        difference.count,
        shortened(&difference.object, 120),
        shortened(&difference.what, 400),
        shortened(&difference.how, 400),
        bar(difference.weight() / most, "cost"),
        escaped(&costs(difference))
    );
}
