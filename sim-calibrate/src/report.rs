//! The outcome as a table of text.

use crate::classes::KEPT;
use crate::fit::{Calibration, Race, Row};
use crate::runs::NUMBERS;

/// The table, with what it cannot say below.
pub fn report(calibration: &Calibration) -> String {
    let mut text = format!(
        "{:<13} {:>4}  {:>26}  {:>15}  {:>15}  {:>6}  moves\n",
        "class", "n", "seen: 5 %, median, 95 %", "distance", "held out", "real"
    );
    calibration.rows.iter().for_each(|row| text.push_str(&line(row)));
    text.push_str("\nMilliseconds. Distance: the mean between equal quantiles of what was seen and what the beginning profile gives, then the new one.\n");
    text.push_str("Held out: the same of a profile fitted to one recording of each pair and measured on the other. Real: of the two recordings\nof each pair from each other, which is as near as one can come.\n\n");
    calibration.races.iter().for_each(|race| text.push_str(&race_line(race)));
    NUMBERS.iter().zip(calibration.numbers).for_each(|(number, told)| text.push_str(&number_line(number.about, told)));
    let rounds: Vec<String> = calibration.rounds.iter().map(|miss| format!("{miss:.3}")).collect();
    text.push_str(&format!("\nsum of distances to the target in each round: {}\n", rounds.join(" ")));
    text.push_str(&format!("{} recordings, {} of them second ones of a story\n", calibration.recordings.0, calibration.recordings.1));
    let few: Vec<&str> = calibration.rows.iter().filter(|r| !r.moved && !r.class.moves.is_empty()).map(|r| r.class.name).collect();
    if !few.is_empty() {
        text.push_str(&format!("too few samples, tables kept: {}\n", few.join(", ")));
    }
    text.push_str("\nnot estimated:\n");
    KEPT.iter().for_each(|(what, why)| text.push_str(&format!("  {what}: {why}\n")));
    text
}

fn line(row: &Row) -> String {
    let seen = [0.05, 0.5, 0.95].map(|at| format!("{:8.1}", row.seen.quantile(at))).join(" ");
    let pair = |(before, after): (f64, f64)| format!("{before:6.1} > {after:6.1}");
    let held_out = row.held_out.map_or("-".into(), pair);
    let real = row.real.map_or("-".into(), |real| format!("{real:.1}"));
    let moves = match (row.class.moves.is_empty(), row.moved) {
        (true, _) => "nothing, only told".to_owned(),
        (false, true) if row.class.moves.len() > 1 => format!("{} (split kept)", row.class.moves.join(", ")),
        (false, true) => row.class.moves.join(", "),
        (false, false) => "nothing, too few samples".to_owned(),
    };
    format!("{:<13} {:>4}  {seen}  {:>15}  {held_out:>15}  {real:>6}  {moves}\n", row.class.name, row.seen.len(), pair(row.distance))
}

fn number_line(what: &str, [seen, before, after]: [Option<f64>; 3]) -> String {
    let shown = |number: Option<f64>| number.map_or("-".into(), |n| format!("{n:.2}"));
    format!("{what}: seen {}, {} > {}\n", shown(seen), shown(before), shown(after))
}

fn race_line(race: &Race) -> String {
    let (seen, before, after) = race.share;
    format!(
        "{}: {} > {}; the share it is fitted to: seen {seen:.3} ({} pods), {before:.3} > {after:.3}\n",
        race.name, race.per_million.0, race.per_million.1, race.pods
    )
}
