//! Printing: exit codes, colour, and standard output that may be closed at any time.

use std::io::{IsTerminal, Write};

/// All held.
pub const HELD: i32 = 0;
/// An expectation failed.
pub const EXPECTATION_FAILED: i32 = 1;
/// Wrong usage or input.
pub const WRONG_INPUT: i32 = 2;
/// An invariant of ours broke.
pub const INVARIANT_BROKEN: i32 = 3;
/// A scenario does not come to rest.
pub const NO_CONVERGENCE: i32 = 4;
/// A limit was reached.
pub const LIMIT_REACHED: i32 = 5;
/// Two runs of one seed differ.
pub const NOT_DETERMINISTIC: i32 = 6;
/// The scenario needs something that is not simulated.
pub const NOT_SIMULATED: i32 = 7;

/// Whether colours are wanted: on a terminal, and without NO_COLOR.
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Prints a line; a closed pipe ends the program quietly, as it ends other tools.
pub fn line(text: &str) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(HELD);
    }
}

/// Text in a colour, if colours are wanted.
pub fn coloured(text: &str, code: &str, wanted: bool) -> String {
    if wanted { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Prints text that ends its own lines.
pub fn text(text: &str) {
    if write!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(HELD);
    }
}
