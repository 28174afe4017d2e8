//! A parsed shell script: a flat list of operations with jumps, so that a running shell is plain data that can stop at any
//! command and go on later.

use std::sync::Arc;

/// A script, shared by all processes that run it.
pub type Script = Arc<Vec<Op>>;

/// One operation. Jump targets are indexes into the same script.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A simple command. `tested` ones do not end the shell under `set -e`.
    Run { command: Simple, tested: bool },
    /// Simple commands, each reading what the one before wrote.
    Pipe { stages: Vec<Simple>, tested: bool },
    /// `… &`
    Background(Script),
    /// `( … )`
    Subshell(Script),
    /// Goes there if the last status is 0.
    JumpIfOk(usize),
    /// Goes there if the last status is not 0.
    JumpIfFail(usize),
    /// Goes there.
    Jump(usize),
    /// `! …`
    Invert,
    /// Sets the last status.
    Status(i32),
    /// Expands the words of a `for` and keeps them.
    ForStart(Vec<Word>),
    /// Takes the next word into the variable, or goes there.
    ForNext { name: String, end: usize },
    /// Forgets the words of the innermost `for`.
    ForEnd,
}

/// Assignments, words and redirections up to the next separator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Simple {
    pub assignments: Vec<(String, Word)>,
    pub words: Vec<Word>,
    pub redirects: Vec<Redirect>,
}

/// One word before expansion.
pub type Word = Vec<Part>;

/// A piece of a word.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Literal text.
    Text { text: String, quoted: bool },
    /// `$NAME`, `${NAME:-default}`.
    Variable { name: String, default: Option<Word>, quoted: bool },
    /// `$( … )`.
    Command { script: Script, quoted: bool },
    /// `$(( … ))`, its inside.
    Arithmetic { expression: Word },
}

/// `> file` and its relatives.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    pub stream: usize,
    pub kind: RedirectKind,
    pub target: Word,
}

/// What a redirection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectKind {
    Read,
    Write,
    Append,
    Duplicate,
}
