//! Markdown for the docs: the table of figures, and what remains for each scenario.

use std::fmt::Write;

use super::{Row, costs};
use crate::FIGURES;

/// So many differences are told for each scenario.
const DIFFERENCES_MAX: usize = 8;

/// The table of all rows, then a section for each with what differs.
pub fn markdown(rows: &[Row]) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "| scenario | run | {} |", FIGURES.join(" | "));
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(FIGURES.len()));
    for row in rows {
        let cells: Vec<String> = (0..FIGURES.len()).map(|i| cell(row, i)).collect();
        let _ = writeln!(out, "| {} | {} | {} |", row.name, row.other, cells.join(" | "));
    }
    rows.iter().for_each(|row| section(&mut out, row));
    out
}

fn cell(row: &Row, index: usize) -> String {
    let own = row.figures.all()[index];
    match row.ceiling {
        Some(ceiling) => format!("**{:.3}** ({own:.3} of {:.3})", row.share().all()[index], ceiling.all()[index]),
        None => format!("{own:.3}"),
    }
}

fn section(out: &mut String, row: &Row) {
    let _ = writeln!(out, "\n### {}\n", row.name);
    if row.alike() {
        let _ = writeln!(out, "Nothing differs.");
        return;
    }
    let _ = writeln!(out, "| what remains | × | where | what | how (real → simulated) | costs |\n|---|---|---|---|---|---|");
    for difference in row.differences.iter().take(DIFFERENCES_MAX) {
        let too = if difference.real_too { "\\*" } else { "" };
        let _ = writeln!(
            out,
            "| {}{too} | {} | {} | {} | {} | {} |",
            difference.class.name(),
            difference.count,
            escaped(&difference.object),
            escaped(&difference.what),
            escaped(&difference.how),
            costs(difference)
        );
    }
    if row.differences.len() > DIFFERENCES_MAX {
        let rest = &row.differences[DIFFERENCES_MAX..];
        let left: f64 = rest.iter().map(|d| d.weight()).sum();
        let _ = writeln!(out, "\nand {} smaller ones, −{left:.4} together.", rest.len());
    }
}

/// Text that Markdown takes for text.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '`' | '<' | '[' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}
