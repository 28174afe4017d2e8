//! `/metrics`: what the server has done, in Prometheus' text form, under the names of the real API server where it has them.
//! Memory is bounded: when there are too many series, requests of new kinds are counted together.
//! Source: apiserver/pkg/endpoints/metrics/metrics.go. Not modelled: the hundreds of metrics of Go and of components.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sim_api::Labels;

/// Bounds of the buckets of `apiserver_request_duration_seconds`, in thousandths of a second.
const BUCKETS_MILLIS: [u64; 23] = [
    5, 25, 50, 100, 200, 400, 600, 800, 1000, 1250, 1500, 2000, 3000, 4000, 5000, 6000, 8000, 10_000, 15_000, 20_000, 30_000, 45_000,
    60_000,
];
/// Kinds of requests that are told apart.
const SERIES_MAX: usize = 4096;

/// What is counted of requests.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    totals: BTreeMap<(Labels, u16), u64>,
    durations: BTreeMap<Labels, Histogram>,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [u64; BUCKETS_MILLIS.len()],
    count: u64,
    sum_micros: u64,
}

/// What the simulation says of itself.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Simulated time, seconds since the Unix epoch.
    pub now_seconds: f64,
    /// Simulated time since the session began.
    pub elapsed_seconds: f64,
    /// Thousandths of real time; 0 for paused, -1 for as fast as possible.
    pub speed_milli: i64,
    /// Events that were handled.
    pub events: u64,
    /// Steps of the trace.
    pub trace_steps: u64,
    /// The store's revision.
    pub revision: u64,
    /// Open watches by resource.
    pub watchers: BTreeMap<String, u64>,
    /// Objects by resource.
    pub objects: BTreeMap<String, u64>,
}

impl Metrics {
    /// A request was answered.
    pub fn count(&self, labels: Labels, code: u16, took: Duration) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !counted.durations.contains_key(&labels);
        // What names nothing that is served is not told apart, and neither is what comes when there is no more room.
        let labels = match is_new && (code == 404 || counted.durations.len() >= SERIES_MAX) {
            true => Labels { verb: labels.verb, ..Labels::default() },
            false => labels,
        };
        *counted.totals.entry((labels.clone(), code)).or_default() += 1;
        if labels.verb != "WATCH" && labels.verb != "CONNECT" {
            counted.durations.entry(labels).or_default().add(took);
        }
    }

    /// All of it as text.
    pub fn text(&self, figures: &Figures) -> String {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        head(
            &mut text,
            "apiserver_request_total",
            "counter",
            "Counter of apiserver requests broken out for each verb, resource and HTTP response code.",
        );
        for ((labels, code), total) in &counted.totals {
            let _infallible = writeln!(text, "apiserver_request_total{{code=\"{code}\",{}}} {total}", shown(labels));
        }
        head(&mut text, "apiserver_request_duration_seconds", "histogram", "Response latency distribution in seconds.");
        counted.durations.iter().for_each(|(labels, histogram)| histogram.show(&mut text, labels));
        figures.show(&mut text);
        text
    }
}

impl Histogram {
    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.sum_micros += u64::try_from(took.as_micros()).unwrap_or(u64::MAX / 2);
        for (bound, count) in BUCKETS_MILLIS.iter().zip(&mut self.buckets) {
            *count += u64::from(took <= Duration::from_millis(*bound));
        }
    }

    fn show(&self, text: &mut String, labels: &Labels) {
        const NAME: &str = "apiserver_request_duration_seconds";
        let labels = shown(labels);
        for (bound, count) in BUCKETS_MILLIS.iter().zip(&self.buckets) {
            let _infallible = writeln!(text, "{NAME}_bucket{{{labels},le=\"{}\"}} {count}", *bound as f64 / 1000.0);
        }
        let _infallible = writeln!(text, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {}", self.count);
        let _infallible = writeln!(text, "{NAME}_sum{{{labels}}} {}", self.sum_micros as f64 / 1e6);
        let _infallible = writeln!(text, "{NAME}_count{{{labels}}} {}", self.count);
    }
}

impl Figures {
    fn show(&self, text: &mut String) {
        let plain = [
            ("ksim_simulated_time_seconds", "gauge", "Simulated time, seconds since the Unix epoch.", self.now_seconds),
            ("ksim_simulated_elapsed_seconds", "gauge", "Simulated time since the session began.", self.elapsed_seconds),
            (
                "ksim_speed_ratio",
                "gauge",
                "Simulated time to real time; 0 is paused, negative as fast as possible.",
                self.speed_milli as f64 / 1000.0,
            ),
            ("ksim_events_total", "counter", "Events of the simulation that were handled.", self.events as f64),
            ("ksim_trace_steps", "gauge", "Steps of the trace.", self.trace_steps as f64),
            ("ksim_store_revision", "gauge", "Revision of the store.", self.revision as f64),
        ];
        for (name, kind, help, value) in plain {
            head(text, name, kind, help);
            let _infallible = writeln!(text, "{name} {value}");
        }
        head(text, "apiserver_longrunning_requests", "gauge", "Gauge of all active long-running apiserver requests.");
        for (resource, count) in &self.watchers {
            let _infallible = writeln!(text, "apiserver_longrunning_requests{{resource={resource:?},verb=\"WATCH\"}} {count}");
        }
        head(text, "apiserver_storage_objects", "gauge", "Number of stored objects at the time of last check split by kind.");
        for (resource, count) in &self.objects {
            let _infallible = writeln!(text, "apiserver_storage_objects{{resource={resource:?}}} {count}");
        }
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn shown(labels: &Labels) -> String {
    let Labels { verb, group, version, resource, subresource, scope } = labels;
    format!("group={group:?},resource={resource:?},scope={scope:?},subresource={subresource:?},verb={verb:?},version={version:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_in_every_bucket_it_fits_in() {
        let metrics = Metrics::default();
        let labels = Labels { verb: "GET".into(), resource: "pods".into(), ..Labels::default() };
        metrics.count(labels, 200, Duration::from_millis(30));
        let text = metrics.text(&Figures::default());
        let own = "group=\"\",resource=\"pods\",scope=\"\",subresource=\"\",verb=\"GET\",version=\"\"";
        assert!(text.contains(&format!("apiserver_request_total{{code=\"200\",{own}}} 1\n")), "{text}");
        assert!(
            text.contains(&format!("_bucket{{{own},le=\"0.025\"}} 0\n")) && text.contains(&format!("_bucket{{{own},le=\"0.05\"}} 1\n"))
        );
    }

    #[test]
    fn memory_is_bounded_whatever_is_asked_for() {
        let metrics = Metrics::default();
        for number in 0..2 * SERIES_MAX {
            metrics.count(Labels { verb: "GET".into(), resource: format!("r{number}"), ..Labels::default() }, 200, Duration::ZERO);
            metrics.count(Labels { verb: "GET".into(), resource: format!("x{number}"), ..Labels::default() }, 404, Duration::ZERO);
        }
        let counted = metrics.0.lock().expect("no panic");
        assert!(counted.totals.len() <= SERIES_MAX + 2 && counted.durations.len() <= SERIES_MAX + 1);
    }
}
