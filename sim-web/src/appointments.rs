//! Requests that take effect at a moment to come, which their header names: what a client does then depends on no real clock.
//! One whose moment has passed takes effect at once. Others than the simulation's own clients never send the header.

use std::collections::BTreeMap;

use sim_core::time::SimTime;
use tokio::sync::oneshot;

use crate::simulation::Reply;

/// The header: nanoseconds of virtual time since the session began.
pub const HEADER: &str = "ksim-at";

/// A request, and who waits for its answer.
pub type Waiting = (Box<sim_api::Request>, oneshot::Sender<Reply>);

/// The requests that wait for their moment. There are never more than the server has under way.
#[derive(Default)]
pub struct Appointments {
    waiting: BTreeMap<(SimTime, u64), Waiting>,
    ever: u64,
}

impl Appointments {
    /// Lets a request wait.
    pub fn add(&mut self, at: SimTime, waiting: Waiting) {
        self.ever += 1;
        self.waiting.insert((at, self.ever), waiting);
    }

    /// The next moment at which one is due.
    pub fn next(&self) -> Option<SimTime> {
        self.waiting.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next one, if it is due by then.
    pub fn due(&mut self, by: SimTime) -> Option<Waiting> {
        self.next().filter(|at| *at <= by)?;
        self.waiting.pop_first().map(|(_, waiting)| waiting)
    }

    /// Forgets all of them: they were for another world.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// The moment a request names, counted from the beginning of the session; the error says what is wrong with it.
pub fn moment(request: &sim_api::Request) -> Result<Option<u64>, String> {
    let read = |text: &str| text.parse().map_err(|_| format!("the header {HEADER} holds no number of nanoseconds: {text:?}"));
    request.header(HEADER).map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(value: Option<&str>) -> sim_api::Request {
        let headers = value.map(|v| ("Ksim-At".to_owned(), v.to_owned())).into_iter().collect();
        let text = String::new;
        sim_api::Request { method: "GET".into(), path: "/".into(), query: text(), headers, body: vec![], host: text(), certificate: None }
    }

    #[test]
    fn each_comes_at_its_moment_and_in_the_order_they_were_made() {
        let mut all = Appointments::default();
        for (at, value) in [(5, "1"), (3, "2"), (5, "3")] {
            all.add(SimTime(at), (Box::new(request(Some(value))), oneshot::channel().0));
        }
        assert_eq!(all.next(), Some(SimTime(3)));
        let mut taken = |by: u64| all.due(SimTime(by)).and_then(|(request, _)| moment(&request).expect("a number"));
        assert_eq!((taken(2), taken(3), taken(4)), (None, Some(2), None));
        assert_eq!((taken(5), taken(5), taken(9)), (Some(1), Some(3), None));
    }

    #[test]
    fn a_moment_is_a_number() {
        assert_eq!(moment(&request(None)), Ok(None));
        assert!(moment(&request(Some("soon"))).is_err());
        assert!(moment(&request(Some("-1"))).is_err());
    }
}
