//! Text for a terminal: a table of the figures, then for each scenario what differs.

use std::fmt::Write;

use super::{Row, costs, figure};
use crate::FIGURES;
use crate::coverage::Coverage;

/// All rows as text. At most `most` differences are told for each (0: all).
pub fn text(rows: &[Row], most: usize) -> String {
    let mut out = String::new();
    table(&mut out, rows);
    for row in rows {
        differences(&mut out, row, most);
        if let Some(coverage) = &row.coverage {
            covered(&mut out, &row.name, coverage, most);
            each_other(&mut out, row);
            over_seeds(&mut out, row);
        }
    }
    out
}

fn table(out: &mut String, rows: &[Row]) {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(10);
    let heads: String = FIGURES.iter().map(|name| format!("{name:>23}")).collect();
    let _ = writeln!(out, "{:width$}{}", "", heads.trim_end());
    for row in rows {
        let cells: String = (0..FIGURES.len()).map(|i| format!("{:>23}", cell(row, i))).collect();
        let _ = writeln!(out, "{:width$}{cells}", row.name);
    }
}

/// `0.985 of 1.000 (0.985)`, or the figure alone where there is no ceiling.
fn cell(row: &Row, index: usize) -> String {
    let own = row.figures.all()[index];
    match row.ceiling {
        Some(ceiling) => format!("{own:.3} of {:.3} ({:.3})", ceiling.all()[index], row.share().all()[index]),
        None => figure(own),
    }
}

fn differences(out: &mut String, row: &Row, most: usize) {
    let shown = if most == 0 { row.differences.len() } else { most };
    let _ = writeln!(out, "\n{}: {} beside {}", row.name, row.other, named(row));
    if row.alike() {
        let _ = writeln!(out, "  nothing differs");
    }
    for difference in row.differences.iter().take(shown) {
        let own = if difference.real_too { "  [real recordings differ in this, too]" } else { "" };
        let _ = writeln!(out, "  {:14} {:>3} ×  {}: {}", difference.class.name(), difference.count, difference.object, difference.what);
        let how = if difference.how.is_empty() { String::new() } else { format!("{}  ", difference.how) };
        let _ = writeln!(out, "  {:21}{how}{}({}){own}", "", places(difference), costs(difference));
    }
    if row.differences.len() > shown {
        let left: f64 = row.differences[shown..].iter().map(|d| d.weight()).sum();
        let _ = writeln!(out, "  … {} more, −{left:.4} together", row.differences.len() - shown);
    }
}

fn named(row: &Row) -> String {
    let header = &row.comparison.real.header;
    if header.about.is_empty() { "the recording".into() } else { format!("the recording ({})", header.about) }
}

fn places(difference: &crate::Difference) -> String {
    let Some(first) = difference.examples.first() else { return String::new() };
    let time = |t: Option<f64>| t.map_or("–".into(), |t| format!("{t:.2} s"));
    format!("at {} / {}  ", time(first.real_time), time(first.other_time))
}

fn over_seeds(out: &mut String, row: &Row) {
    let Some((least, median)) = row.over_seeds() else { return };
    let told = |i: usize| format!("{} {:.3} {:.3}", FIGURES[i], least.all()[i], median.all()[i]);
    let told: Vec<String> = (0..FIGURES.len()).map(told).collect();
    let _ = writeln!(out, "  least and median over the seeds: {}", told.join(", "));
}

fn each_other(out: &mut String, row: &Row) {
    let Some((least, median)) = row.covered_of_each_other() else { return };
    let reached = row.covered_seeds(row.coverage.as_ref().map_or(0.0, Coverage::share));
    let (median, least, seeds) = (median * 100.0, least * 100.0, row.each_other.len());
    let _ = writeln!(
        out,
        "  of each other the seeds cover {median:.1} % in the median, {least:.1} % at least; {reached} of {seeds} as much as of the recording"
    );
}

fn covered(out: &mut String, name: &str, coverage: &Coverage, most: usize) {
    let _ = writeln!(
        out,
        "\n{name}: {} seeds cover the times of {} of {} aligned states ({:.1} %), give or take {:.0} ms ({:.1} % without that); {} of {} states are aligned",
        coverage.seeds,
        coverage.covered,
        coverage.aligned,
        coverage.share() * 100.0,
        coverage.clock * 1000.0,
        coverage.share_exactly() * 100.0,
        coverage.aligned,
        coverage.states
    );
    let shown = if most == 0 { coverage.uncovered.len() } else { most };
    for state in coverage.uncovered.iter().take(shown) {
        let _ = writeln!(
            out,
            "  {:+8.2} s  {} ({}): {}; real {:.2} s, seeds {:.2} to {:.2} s",
            state.outside(),
            state.group,
            state.object,
            state.what,
            state.real,
            state.least,
            state.most
        );
    }
    if coverage.uncovered.len() > shown {
        let _ = writeln!(out, "  … {} more", coverage.uncovered.len() - shown);
    }
}
