//! The streams of those who watch: frames as they come, a bookmark each minute, an end; one who does not read is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sim_core::cluster::Cluster;
use tokio::sync::mpsc;

use crate::clock::Stopwatch;
use crate::simulation::Frames;

/// Frames that may wait for a slow watcher before it is cut off.
const FRAMES_MAX: usize = 512;
/// Bytes that may wait for a slow watcher before it is cut off.
const QUEUED_BYTES_MAX: usize = 4 << 20;
/// How long a watch lives if the client does not say.
const WATCH_SECONDS_DEFAULT: u64 = 1800;
/// How often a watcher gets a bookmark.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// How long before the end of a stream its last bookmark comes.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// A watch, and the way to its client.
pub struct Stream {
    /// Its number among all watches of this server.
    pub number: u64,
    /// What it watches.
    pub watch: Box<sim_api::Watch>,
    sender: mpsc::Sender<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    opened: Stopwatch,
    lives: Duration,
    next_bookmark: Duration,
}

impl Stream {
    /// Opens a stream, unless it is over at once; gives the frames on their way.
    pub fn open(number: u64, mut watch: Box<sim_api::Watch>, cluster: &mut Cluster) -> (Option<Stream>, Frames) {
        let (sender, receiver) = mpsc::channel(FRAMES_MAX);
        let queued = Arc::new(AtomicUsize::new(0));
        let warnings = std::mem::take(&mut watch.warnings);
        let first = watch.poll(cluster);
        if !first.is_empty() {
            queued.fetch_add(first.len(), Ordering::Relaxed);
            let _there_is_room = sender.try_send(first);
        }
        let lives = Duration::from_secs(watch.timeout_seconds.unwrap_or(WATCH_SECONDS_DEFAULT).min(24 * 3600));
        let frames = Frames { receiver, waiting: queued.clone(), warnings };
        let is_over = watch.is_ended();
        let stream = Stream { number, watch, sender, queued, opened: Stopwatch::start(), lives, next_bookmark: first_bookmark(lives) };
        ((!is_over).then_some(stream), frames)
    }

    /// Sends what there is; false when the stream is over.
    pub fn feed(&mut self, cluster: &mut Cluster, news: bool) -> bool {
        let passed = self.opened.elapsed();
        let mut frames = if news { self.watch.poll(cluster) } else { vec![] };
        if passed >= self.next_bookmark && passed < self.lives {
            self.next_bookmark = next_bookmark(passed, self.lives);
            if self.watch.bookmarks {
                frames.extend(self.watch.poll(cluster));
                frames.extend(self.watch.bookmark(cluster));
            }
        }
        let sent = frames.is_empty() || self.send(frames);
        sent && !self.sender.is_closed() && passed < self.lives && !self.watch.is_ended()
    }

    /// Puts frames on their way; false if too much of what was sent before has not been read yet.
    fn send(&mut self, frames: Vec<u8>) -> bool {
        let queued = self.queued.fetch_add(frames.len(), Ordering::Relaxed);
        (queued == 0 || queued + frames.len() <= QUEUED_BYTES_MAX) && self.sender.try_send(frames).is_ok()
    }

    /// How long until something must be done for it.
    pub fn due(&self) -> Duration {
        self.next_bookmark.min(self.lives).saturating_sub(self.opened.elapsed())
    }
}

fn first_bookmark(lives: Duration) -> Duration {
    next_bookmark(Duration::ZERO, lives)
}

/// The next bookmark after `passed`: each minute, and once shortly before the end.
fn next_bookmark(passed: Duration, lives: Duration) -> Duration {
    let last = lives.saturating_sub(BOOKMARK_BEFORE_END);
    let regular = passed + BOOKMARK_INTERVAL;
    if passed < last { regular.min(last) } else { regular }
}
