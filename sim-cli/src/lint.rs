//! `ksim lint`: checks scenario files and the manifests they name without playing them.

use std::path::PathBuf;

use clap::Args;

use crate::output::{HELD, WRONG_INPUT, line};
use crate::report;
use crate::session;

/// Arguments of `ksim lint`.
#[derive(Args)]
pub struct LintArguments {
    /// Scenario files, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// Runs the command and gives its exit code.
pub fn lint(arguments: &LintArguments) -> i32 {
    let files = match session::files(&arguments.paths) {
        Ok(files) => files,
        Err(message) => {
            eprintln!("error: {message}");
            return WRONG_INPUT;
        }
    };
    let mut code = HELD;
    for file in &files {
        match session::load(file) {
            Ok(loaded) => {
                loaded.warnings.iter().for_each(|w| eprint!("{}", report::warning(w)));
                line(&format!("ok {} ({} steps)", file.display(), loaded.scenario.steps.len()));
            }
            Err(problem) => {
                eprint!("{}", report::problem(&problem));
                code = WRONG_INPUT;
            }
        }
    }
    code
}
