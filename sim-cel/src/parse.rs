//! Parsing, with errors shown as cel-go shows them: the line, and a caret below the place.

use cel::IdedExpr;
use cel::common::ast::SourceInfo;

/// A parsed expression with its places in the source.
pub(crate) struct Parsed {
    pub expression: IdedExpr,
    info: SourceInfo,
}

/// What is wrong at a place of the source.
pub(crate) struct Issue {
    pub line: usize,
    /// Counted from 0, in characters.
    pub column: usize,
    pub message: String,
}

/// Parses a source, or tells what is wrong with it.
pub(crate) fn parse(source: &str) -> Result<Parsed, String> {
    let parser = cel::parser::Parser::new().enable_optional_syntax(true).enable_ident_escape_syntax(true);
    match parser.parse_with_source_info(source) {
        Ok((expression, info)) => Ok(Parsed { expression, info }),
        Err(errors) => {
            let at = |n: isize| usize::try_from(n.max(1)).unwrap_or(1);
            let issue = |e: &cel::ParseError| Issue { line: at(e.pos.0), column: at(e.pos.1) - 1, message: plain(&e.msg) };
            Err(show(source, errors.errors.iter().map(issue).collect()))
        }
    }
}

/// The parser in Go looks for the end alone where ours lists every operator that could go on.
fn plain(message: &str) -> String {
    match message.split_once("expecting {<EOF>, ") {
        Some((before, _)) => format!("{before}expecting <EOF>"),
        None => message.to_owned(),
    }
}

impl Parsed {
    /// An issue at a node of the expression.
    pub fn issue(&self, id: u64, message: String) -> Issue {
        let offset = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        let before: Vec<char> = self.info.source.chars().take(offset).collect();
        let line = before.iter().filter(|c| **c == '\n').count();
        let column = before.iter().rev().take_while(|c| **c != '\n').count();
        Issue { line: line + 1, column, message }
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.info.source
    }
}

/// The issues as one text, in the order of their places.
pub(crate) fn show(source: &str, mut issues: Vec<Issue>) -> String {
    issues.sort_by_key(|i| (i.line, i.column));
    let texts: Vec<String> = issues.iter().map(|issue| one(source, issue)).collect();
    texts.join("\n")
}

fn one(source: &str, issue: &Issue) -> String {
    let Issue { line, column, message } = issue;
    let head = format!("ERROR: <input>:{line}:{}: {message}", column + 1);
    match source.split('\n').nth(line - 1) {
        Some(text) => format!("{head}\n | {}\n | {}^", text.replace('\t', " "), ".".repeat(*column)),
        None => head,
    }
}
