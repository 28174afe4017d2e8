//! Holds the simulator against the recordings of a real cluster, and keeps `docs/fidelity.md` true: the page is made here.
//! `KSIM_FIDELITY=update cargo test --workspace fidelity` writes it anew.

use std::fmt::Write;
use std::sync::Arc;

use sim_compare::report::{Row, markdown};
use sim_compare::{Comparer, FIGURES, ReadOptions, Recording, Side, Tolerances};
use sim_core::scenario::Loaded;

use crate::play::{load, play, recorded, root};

const NAMES: [&str; 6] = ["deploy", "crash", "rollout", "selfheal", "readiness", "hpa"];
/// No figure may fall below this share of its ceiling.
const SHARE_MIN: f64 = 0.97;
/// No less of a real recording's times may lie within the spread of the seeds.
const COVERED_MIN: f64 = 0.90;
/// So many seeds are held against each recording.
const SEEDS: u64 = 20;
/// So many uncovered states are told of each recording.
const UNCOVERED_MAX: usize = 3;

fn read(comparer: &mut Comparer, file: &str) -> Arc<Side> {
    let path = root().join("tests/real-cluster").join(file);
    let recording = Recording::read(&path, ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    comparer.prepare(&recording).unwrap_or_else(|e| panic!("{e}"))
}

fn simulated(comparer: &mut Comparer, loaded: &Arc<Loaded>, seed: u64) -> Arc<Side> {
    let (_, player) = play(loaded, seed);
    let text = recorded(loaded, &player);
    let recording = Recording::from_reader("a trace of ours", text.as_bytes(), ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    comparer.prepare(&recording).unwrap_or_else(|e| panic!("{e}"))
}

fn row(name: &str) -> Row {
    let mut comparer = Comparer::new(Tolerances::default());
    let loaded = load(&root().join(format!("scenarios/recorded/{name}.yaml")));
    let (real, second) = (read(&mut comparer, &format!("{name}.jsonl.gz")), read(&mut comparer, &format!("{name}.2.jsonl.gz")));
    let seed = loaded.scenario.seed;
    let other = simulated(&mut comparer, &loaded, seed);
    let mut row = Row::of(&comparer, &real, Some(&second), &other, &format!("seed {seed}"));
    let seeds: Vec<_> = (1..=SEEDS).map(|seed| simulated(&mut comparer, &loaded, seed)).collect();
    row.hold_seeds(&comparer, &real, Some(&second), &seeds);
    row
}

#[test]
fn fidelity_stays_above_its_floor_and_its_page_is_true() {
    let rows: Vec<Row> = NAMES.into_iter().map(row).collect();
    for row in &rows {
        for (figure, share) in FIGURES.iter().zip(row.share().all()) {
            assert!(share >= SHARE_MIN, "{}: {figure} is {share:.4} of its ceiling, at least {SHARE_MIN} is asked", row.name);
        }
        let covered = row.coverage.as_ref().map_or(0.0, |c| c.share());
        assert!(covered >= COVERED_MIN, "{}: the seeds cover {covered:.4} of the real times, at least {COVERED_MIN} is asked", row.name);
    }
    let path = root().join("docs/fidelity.md");
    let page = page(&rows);
    if std::env::var("KSIM_FIDELITY").is_ok_and(|value| value == "update") {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = committed.lines().zip(page.lines()).find(|(a, b)| a != b);
    assert!(
        committed == page,
        "docs/fidelity.md is not what this simulator comes to; KSIM_FIDELITY=update writes it anew. First difference: {differing:#?}"
    );
}

fn page(rows: &[Row]) -> String {
    let mut page = String::from(
        "# How true the simulator is\n\n\
         Made by the tests (`tests/fidelity.rs`), which fail when this page is not true; `KSIM_FIDELITY=update cargo test --workspace fidelity`\n\
         writes it anew. The same by hand: `ksim compare tests/real-cluster/ --html report.html`.\n\
         [compare.md](compare.md) says what the figures mean; [the recordings](../tests/real-cluster/README.md) are of a real v1.36.2 cluster.\n\n\
         In bold the share of the ceiling, in brackets the figure (the better of two recordings) and the ceiling (one recording against the\n\
         other). A share above 1 means: nearer to a recording than the second recording is.\n\n",
    );
    let tables = markdown(rows);
    let (table, sections) = tables.split_once("\n###").expect("there are sections");
    let _ = writeln!(page, "{table}\n## Is the real run like one more seed?\n");
    coverage(&mut page, rows);
    over_seeds(&mut page, rows);
    page.push_str(
        "\n## What remains\n\n\
         For the seed above, against the first recording, the heaviest first. What is marked \\* the two recordings of the real cluster differ in\n\
         as well: it is the cluster's own chance.\n",
    );
    let _ = write!(page, "\n###{sections}");
    page
}

fn coverage(page: &mut String, rows: &[Row]) {
    let _ = writeln!(
        page,
        "Seeds 1 to {SEEDS}: the share of aligned states whose real time lies within the times of the seeds, give or take 50 ms. Beside it\n\
         what the seeds cover of each other, each held against the others as the real run is against all: least, median, and how many of\n\
         them would pass the bound that the real run is held to, {:.0} %.\n\n\
         | scenario | covered | without the 50 ms | seeds of each other | aligned states | furthest outside |\n|---|---|---|---|---|---|",
        COVERED_MIN * 100.0
    );
    for (row, coverage) in rows.iter().filter_map(|row| row.coverage.as_ref().map(|c| (row, c))) {
        let (least, median) = row.covered_of_each_other().unwrap_or_default();
        let worst = coverage.uncovered.iter().take(UNCOVERED_MAX);
        let worst: Vec<String> =
            worst.map(|u| format!("{:+.2} s {}: {}", u.outside(), u.group, u.what).replace(['|', '*'], "\\*")).collect();
        let _ = writeln!(
            page,
            "| {} | **{:.1} %** | {:.1} % | {:.1} %, {:.1} %, {} of {} | {} of {} | {} |",
            row.name,
            coverage.share() * 100.0,
            coverage.share_exactly() * 100.0,
            least * 100.0,
            median * 100.0,
            row.covered_seeds(COVERED_MIN),
            row.each_other.len(),
            coverage.aligned,
            coverage.states,
            worst.join("; ")
        );
    }
}

fn over_seeds(page: &mut String, rows: &[Row]) {
    let _ = writeln!(page, "\nThe share of the ceiling over these seeds, least and median:\n\n| scenario | {} |", FIGURES.join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(FIGURES.len()));
    for (row, (least, median)) in rows.iter().filter_map(|row| row.over_seeds().map(|o| (row, o))) {
        let cells: Vec<String> = (0..FIGURES.len()).map(|i| format!("{:.3} **{:.3}**", least.all()[i], median.all()[i])).collect();
        let _ = writeln!(page, "| {} | {} |", row.name, cells.join(" | "));
    }
}
