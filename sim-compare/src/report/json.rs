//! JSON for programs: everything, with plain numbers. Keys are only ever added.

use serde_json::{Map, Value, json};

use super::{Floor, Row};
use crate::coverage::Coverage;
use crate::explain::Difference;
use crate::figures::Figures;

/// All rows as one JSON array.
pub fn json(rows: &[Row], floor: &Floor) -> String {
    let rows: Vec<Value> = rows.iter().map(|row| of_row(row, floor)).collect();
    serde_json::to_string_pretty(&rows).unwrap_or_default()
}

fn of_row(row: &Row, floor: &Floor) -> Value {
    let missed = floor.missed(row);
    json!({
        "name": row.name,
        "other": row.other,
        "held": missed.is_empty(),
        "missed": missed,
        "figures": figures(&row.figures),
        "ceiling": row.ceiling.as_ref().map(figures),
        "share": figures(&row.share()),
        "objects": row.comparison.matches.len(),
        "states": row.comparison.totals.states,
        "alignedStates": row.comparison.totals.aligned,
        "differences": row.differences.iter().map(difference).collect::<Vec<_>>(),
        "coverage": row.coverage.as_ref().map(coverage),
        "coveredOfEachOther": row.covered_of_each_other().map(|(least, median)| json!({"least": rounded(least), "median": rounded(median), "all": row.each_other})),
        "overSeeds": row.over_seeds().map(|(least, median)| json!({"least": figures(&least), "median": figures(&median)})),
    })
}

fn figures(figures: &Figures) -> Value {
    let keys = ["states", "events", "eventKinds", "order", "timing"];
    let map: Map<String, Value> = keys.iter().zip(figures.all()).map(|(key, value)| ((*key).to_owned(), rounded(value))).collect();
    Value::Object(map)
}

/// Six digits are more than any figure is worth.
fn rounded(value: f64) -> Value {
    json!((value * 1e6).round() / 1e6)
}

fn difference(difference: &Difference) -> Value {
    let examples = difference.examples.iter().map(|e| json!({"object": e.object, "real": e.real_time, "other": e.other_time}));
    json!({
        "class": difference.class.name(),
        "object": difference.object,
        "what": difference.what,
        "how": difference.how,
        "count": difference.count,
        "weight": rounded(difference.weight()),
        "losses": figures(&Figures::from_all(difference.losses)),
        "realToo": difference.real_too,
        "examples": examples.collect::<Vec<_>>(),
    })
}

fn coverage(coverage: &Coverage) -> Value {
    let uncovered = coverage.uncovered.iter().map(|u| {
        json!({"object": u.object, "group": u.group, "what": u.what, "real": u.real, "least": u.least, "most": u.most, "outside": rounded(u.outside())})
    });
    json!({
        "seeds": coverage.seeds,
        "states": coverage.states,
        "aligned": coverage.aligned,
        "covered": coverage.covered,
        "share": rounded(coverage.share()),
        "shareWithoutTolerance": rounded(coverage.share_exactly()),
        "toleranceSeconds": coverage.clock,
        "uncovered": uncovered.collect::<Vec<_>>(),
    })
}
