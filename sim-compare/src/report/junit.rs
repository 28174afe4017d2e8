//! JUnit XML for CI: a suite for each scenario, a case for each figure and for the seeds' coverage.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Floor, Row, costs};
use crate::FIGURES;

/// All rows as one report. Without a floor a figure below 1 fails.
pub fn junit(rows: &[Row], floor: &Floor) -> String {
    let mut report = Report::new("ksim compare");
    for row in rows {
        let mut suite = TestSuite::new(row.name.clone());
        for (index, name) in FIGURES.iter().enumerate() {
            suite.add_test_case(figure(row, index, name, floor));
        }
        if let Some(coverage) = &row.coverage {
            let least = floor.coverage.unwrap_or(0.0);
            let detail = format!("{:.4} of the aligned states' times are covered, asked for is {least}", coverage.share());
            suite.add_test_case(case("seeds", coverage.share() >= least, &detail));
        }
        report.add_test_suite(suite);
    }
    report.to_string().unwrap_or_default()
}

fn figure(row: &Row, index: usize, name: &str, floor: &Floor) -> TestCase {
    let (own, share, least) = (row.figures.all()[index], row.share().all()[index], floor.share.unwrap_or(1.0));
    let mut detail = match row.ceiling {
        Some(ceiling) => format!("{own:.4} is {share:.4} of the ceiling {:.4}, asked for is {least}", ceiling.all()[index]),
        None => format!("{own:.4}, asked for is {least}"),
    };
    for difference in row.differences.iter().filter(|d| d.losses[index] > 0.0).take(5) {
        let (class, count) = (difference.class.name(), difference.count);
        detail.push_str(&format!(
            "\n{class}: {count} × {}: {} {} ({})",
            difference.object,
            difference.what,
            difference.how,
            costs(difference)
        ));
    }
    case(name, share >= least, &detail)
}

fn case(name: &str, held: bool, detail: &str) -> TestCase {
    if held {
        return TestCase::new(name.to_owned(), TestCaseStatus::success());
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(detail.to_owned());
    TestCase::new(name.to_owned(), status)
}
