//! What is counted, and how Prometheus reads it (text format 0.0.4). Names of models are those that are served, and nothing
//! that a client says, so that there are few.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets, in seconds.
const TO_FIRST_TOKEN: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const PER_TOKEN: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
const REQUEST: [f64; 12] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(String, &'static str, u16), u64>>,
    tokens: Mutex<BTreeMap<(String, &'static str), u64>>,
    /// From the request to the first token.
    pub(crate) to_first_token: Histogram,
    /// From a token to the next of the same answer.
    pub(crate) per_token: Histogram,
    /// From the request to the end of its answer.
    pub(crate) request: Histogram,
    pub(crate) rows: AtomicI64,
    pub(crate) queued: AtomicI64,
    pub(crate) connections: AtomicI64,
    pub(crate) cut_off: AtomicU64,
    pub(crate) gone: AtomicU64,
    pub(crate) swaps: AtomicU64,
    pub(crate) models: AtomicI64,
    pub(crate) captured: AtomicU64,
    pub(crate) not_captured: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            tokens: Mutex::default(),
            to_first_token: Histogram::new(&TO_FIRST_TOKEN),
            per_token: Histogram::new(&PER_TOKEN),
            request: Histogram::new(&REQUEST),
            rows: AtomicI64::default(),
            queued: AtomicI64::default(),
            connections: AtomicI64::default(),
            cut_off: AtomicU64::default(),
            gone: AtomicU64::default(),
            swaps: AtomicU64::default(),
            models: AtomicI64::default(),
            captured: AtomicU64::default(),
            not_captured: AtomicU64::default(),
        }
    }
}

impl Metrics {
    /// A request was answered with this status; `model` is the name of one that is served, or nothing.
    pub(crate) fn answered(&self, model: &str, endpoint: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((model.into(), endpoint, status)).or_default() += 1;
    }

    /// Tokens of a request of a model: of the prompt, and of the answer.
    pub(crate) fn tokens(&self, model: &str, prompt: u64, answer: u64) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens.entry((model.into(), "prompt")).or_default() += prompt;
        *tokens.entry((model.into(), "answer")).or_default() += answer;
    }

    /// All of it, as Prometheus reads it.
    pub(crate) fn text(&self) -> String {
        let mut page = Page::default();
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        page.family("freehold_requests_total", "counter", "Requests by model, endpoint and status.");
        for ((model, endpoint, status), count) in requests {
            let labels = format!("{{model=\"{}\",endpoint=\"{endpoint}\",status=\"{status}\"}}", escaped(&model));
            page.sample("freehold_requests_total", &labels, count as f64);
        }
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone();
        page.family("freehold_tokens_total", "counter", "Tokens of prompts and answers by model.");
        for ((model, kind), count) in tokens {
            let labels = format!("{{model=\"{}\",kind=\"{kind}\"}}", escaped(&model));
            page.sample("freehold_tokens_total", &labels, count as f64);
        }
        for (name, help, histogram) in [
            ("freehold_time_to_first_token_seconds", "From a request to its first token.", &self.to_first_token),
            ("freehold_time_per_token_seconds", "From a token to the next of the same answer.", &self.per_token),
            ("freehold_request_seconds", "From a request to the end of its answer.", &self.request),
        ] {
            page.histogram(name, help, histogram);
        }
        let gauge = |value: &AtomicI64| value.load(Ordering::Relaxed) as f64;
        let counter = |value: &AtomicU64| value.load(Ordering::Relaxed) as f64;
        for (name, kind, help, value) in [
            ("freehold_rows", "gauge", "Answers that are being generated.", gauge(&self.rows)),
            ("freehold_queue", "gauge", "Requests that wait for a row.", gauge(&self.queued)),
            ("freehold_connections", "gauge", "Open connections.", gauge(&self.connections)),
            ("freehold_models", "gauge", "Names under which a model is served.", gauge(&self.models)),
            ("freehold_swaps_total", "counter", "Changes of what a name serves.", counter(&self.swaps)),
            ("freehold_cut_off_total", "counter", "Clients that took nothing for too long.", counter(&self.cut_off)),
            ("freehold_gone_total", "counter", "Answers whose clients went away.", counter(&self.gone)),
            ("freehold_captured_total", "counter", "Rows that were kept.", counter(&self.captured)),
            ("freehold_not_captured_total", "counter", "Rows that could not be kept.", counter(&self.not_captured)),
        ] {
            page.family(name, kind, help);
            page.sample(name, "", value);
        }
        page.0
    }
}

/// How often values were in each of some ranges.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    /// Sum in microseconds.
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    pub(crate) fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Page(String);

impl Page {
    // Writing to a String does not fail.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        let mut total = 0;
        let bounds = histogram.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&histogram.counts) {
            total += count.load(Ordering::Relaxed);
            self.sample(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), total as f64);
        }
        self.sample(&format!("{name}_sum"), "", histogram.sum.load(Ordering::Relaxed) as f64 / 1e6);
        self.sample(&format!("{name}_count"), "", total as f64);
    }
}

/// The value of a label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_written_as_prometheus_reads_it() {
        let metrics = Metrics::default();
        metrics.answered("desk@production", "chat", 200);
        metrics.answered("a\"b\\\n", "chat", 429);
        metrics.tokens("desk@production", 10, 3);
        for millis in [1, 3, 400, 60_000] {
            metrics.to_first_token.observe(Duration::from_millis(millis));
        }
        let text = metrics.text();
        for line in [
            "freehold_requests_total{model=\"desk@production\",endpoint=\"chat\",status=\"200\"} 1",
            "freehold_requests_total{model=\"a\\\"b\\\\\\n\",endpoint=\"chat\",status=\"429\"} 1",
            "freehold_tokens_total{model=\"desk@production\",kind=\"prompt\"} 10",
            "freehold_time_to_first_token_seconds_bucket{le=\"0.005\"} 2",
            "freehold_time_to_first_token_seconds_bucket{le=\"0.5\"} 3",
            "freehold_time_to_first_token_seconds_bucket{le=\"+Inf\"} 4",
            "freehold_time_to_first_token_seconds_count 4",
            "freehold_time_to_first_token_seconds_sum 60.404",
            "# TYPE freehold_rows gauge",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
