//! The browser view of a live server: the document of what has happened, given part by part to pages that wait for more.
//! A generation is one unbroken history: when time is wound back or another branch is taken up, a new one begins, and pages
//! throw away what they have. Parts are kept as text, so that a second page costs no second writing.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sim_core::scenario::Player;
use sim_core::time::MICROSECOND;
use sim_core::view::{Writer, head};
use tokio::sync::oneshot;

use crate::clock::Stopwatch;

/// Steps in one part.
const STEPS_IN_PART: usize = 5_000;
/// Bytes one answer holds, if it holds more than one part.
const ANSWER_BYTES: usize = 4 << 20;
/// How long a page waits for news.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a page has already: steps of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The generation; 0 for a page that has nothing.
    pub generation: u64,
    /// How many steps of it.
    pub from: usize,
}

impl Wanted {
    /// Reads `generation=G&from=N`; what is missing is 0. The error names what is no number.
    pub fn read(query: &str) -> Result<Wanted, String> {
        let mut wanted = Wanted { generation: 0, from: 0 };
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = || value.parse::<u64>().map_err(|_| format!("{name}={value:?} is no number"));
            match name {
                "generation" => wanted.generation = number()?,
                "from" => wanted.from = usize::try_from(number()?).unwrap_or(usize::MAX),
                _ => return Err(format!("there is no parameter {name:?}; there are generation and from")),
            }
        }
        Ok(wanted)
    }
}

/// How things stand besides what has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The speed of virtual time.
    pub speed: String,
    /// The branch.
    pub branch: String,
    /// The other branches.
    pub branches: Vec<String>,
}

struct Waiting {
    wanted: Wanted,
    since: Stopwatch,
    standing: Standing,
    reply: oneshot::Sender<String>,
}

/// Writes the document of a session as it grows.
pub struct Viewer {
    generation: u64,
    head: String,
    writer: Writer,
    parts: Vec<(usize, Arc<str>)>,
    waiting: Vec<Waiting>,
    seed: u64,
}

impl Viewer {
    /// Nothing is written until somebody asks.
    pub fn new(player: &Player, seed: u64) -> Viewer {
        let head = head_of(player, seed);
        Viewer { generation: 1, head, writer: Writer::new(player.began()), parts: vec![], waiting: vec![], seed }
    }

    /// Another history takes the place of the present one.
    pub fn restart(&mut self, player: &Player) {
        let waiting = std::mem::take(&mut self.waiting);
        *self = Viewer { generation: self.generation + 1, waiting, ..Viewer::new(player, self.seed) };
    }

    /// A page asks; it is answered when there is something it does not have.
    pub fn ask(&mut self, wanted: Wanted, standing: Standing, reply: oneshot::Sender<String>) {
        self.waiting.push(Waiting { wanted, since: Stopwatch::start(), standing, reply });
    }

    /// Answers the pages for which there is news, and those that have waited long.
    pub fn tell(&mut self, player: &Player, standing: impl Fn() -> Standing) {
        if self.waiting.is_empty() {
            return;
        }
        if player.cluster.trace.len() < self.writer.steps() {
            self.restart(player);
        }
        while let Some(part) = self.writer.part(&player.cluster, STEPS_IN_PART) {
            let from = part["from"].as_u64().and_then(|f| usize::try_from(f).ok()).unwrap_or_default();
            self.parts.push((from, part.to_string().into()));
        }
        let standing = standing();
        for page in std::mem::take(&mut self.waiting) {
            let news = page.wanted.generation != self.generation || page.wanted.from != self.writer.steps() || page.standing != standing;
            if news || page.since.elapsed() >= PATIENCE {
                let _gone = page.reply.send(self.answer(page.wanted, &standing, player));
            } else if !page.reply.is_closed() {
                self.waiting.push(page);
            }
        }
    }

    fn answer(&self, wanted: Wanted, standing: &Standing, player: &Player) -> String {
        let begun = self.parts.binary_search_by_key(&wanted.from, |(from, _)| *from);
        let restart = wanted.generation != self.generation || (begun.is_err() && wanted.from != self.writer.steps());
        let from = if restart { 0 } else { begun.unwrap_or(self.parts.len()) };
        let mut text = json!({
            "generation": self.generation, "branch": standing.branch, "branches": standing.branches, "speed": standing.speed,
            "now": player.cluster.now().since(player.began()) / MICROSECOND, "restart": restart,
        })
        .to_string();
        if restart {
            text.push('\n');
            text.push_str(&self.head);
        }
        for (_, part) in &self.parts[from..] {
            text.push('\n');
            text.push_str(part);
            if text.len() > ANSWER_BYTES {
                break;
            }
        }
        text.push('\n');
        text
    }
}

fn head_of(player: &Player, seed: u64) -> String {
    let progress = player.progress();
    let head: Value = head(&player.cluster, player.began(), &progress.scenario, "", seed);
    head.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_has_is_read_from_the_query() {
        assert_eq!(Wanted::read(""), Ok(Wanted { generation: 0, from: 0 }));
        assert_eq!(Wanted::read("generation=3&from=12"), Ok(Wanted { generation: 3, from: 12 }));
        assert!(Wanted::read("from=x").is_err());
        assert!(Wanted::read("since=1").is_err());
    }
}
