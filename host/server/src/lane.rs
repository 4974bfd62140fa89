//! A base model at work: one thread owns its batcher, takes requests from a queue while rows are free, and steps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use freehold_core::recipe::Precision;
use freehold_engine::{
    Adapter, Batcher, ChatTokenizer, Ending, Event, GenerateError, GenerateSettings, Model, Request, RowId, TextStream,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::{End, NoAnswer, Writer};
use crate::metrics::Metrics;

/// What is to be answered.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) adapter: Option<Arc<Adapter>>,
    pub(crate) prompt: Vec<u32>,
    pub(crate) settings: GenerateSettings,
    /// Texts that end the answer.
    pub(crate) stop: Vec<String>,
    /// Whether it is a dialogue's answer; else a text is continued.
    pub(crate) is_dialogue: bool,
    /// When the request came.
    pub(crate) received: Instant,
    pub(crate) answer: Writer,
}

/// Why a request cannot be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// As many wait as may.
    Full,
    /// The thread is gone.
    Stopped,
}

/// A request in the queue, and its place there.
type Queued = (Job, OwnedSemaphorePermit);

/// The way to the thread. It ends when nobody has the way to it any more and its last answer is complete.
#[derive(Debug)]
pub(crate) struct Lane {
    queue: UnboundedSender<Queued>,
    places: Arc<Semaphore>,
}

/// How much a lane takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneLimits {
    pub(crate) precision: Precision,
    pub(crate) rows: usize,
    pub(crate) queue: usize,
    /// Bytes of keys and values of all rows.
    pub(crate) past_bytes: u64,
}

impl Lane {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn start(
        (model, tokenizer): (Arc<Model>, Arc<ChatTokenizer>),
        limits: LaneLimits,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = unbounded_channel();
        let batcher = Batcher::new(model, limits.precision, limits.rows);
        let (waiting, rows, past_bytes) = (VecDeque::new(), BTreeMap::new(), limits.past_bytes);
        let worker = Worker { batcher, tokenizer, jobs, waiting, rows, past_bytes, metrics };
        std::thread::Builder::new().name("generate".into()).spawn(move || worker.run())?;
        Ok(Self { queue, places: Arc::new(Semaphore::new(limits.queue)) })
    }

    /// Puts a request into the queue, if there is a place.
    pub(crate) fn queue(&self, job: Job) -> Result<(), NotQueued> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| NotQueued::Full)?;
        self.queue.send((job, place)).map_err(|_| NotQueued::Stopped)
    }

    /// Whether the thread is there.
    pub(crate) fn is_alive(&self) -> bool {
        !self.queue.is_closed()
    }
}

/// An answer that is being generated.
struct Row {
    text: TextStream,
    answer: Writer,
    received: Instant,
    last_token: Option<Instant>,
    /// Bytes that its keys and values come to take at most.
    past_bytes: u64,
}

struct Worker {
    batcher: Batcher,
    tokenizer: Arc<ChatTokenizer>,
    jobs: UnboundedReceiver<Queued>,
    waiting: VecDeque<Queued>,
    rows: BTreeMap<RowId, Row>,
    /// Most that the pasts of all rows may take.
    past_bytes: u64,
    metrics: Arc<Metrics>,
}

impl Worker {
    fn run(mut self) {
        loop {
            if self.rows.is_empty() && self.waiting.is_empty() {
                match self.jobs.blocking_recv() {
                    Some(queued) => self.wait(queued),
                    None => return,
                }
            }
            while let Ok(queued) = self.jobs.try_recv() {
                self.wait(queued);
            }
            self.forget_gone();
            self.begin_rows();
            for event in self.batcher.step() {
                self.take(event);
            }
        }
    }

    fn wait(&mut self, queued: Queued) {
        self.metrics.queued.fetch_add(1, Ordering::Relaxed);
        self.waiting.push_back(queued);
    }

    /// Frees the rows and places of clients that went away.
    fn forget_gone(&mut self) {
        let gone: Vec<RowId> = self.rows.iter().filter(|(_, row)| row.answer.is_gone()).map(|(id, _)| *id).collect();
        for id in gone {
            self.batcher.remove(id);
            self.drop_row(id);
        }
        let before = self.waiting.len();
        self.waiting.retain(|(job, _)| !job.answer.is_gone());
        let left = i64::try_from(before - self.waiting.len()).unwrap_or(0);
        self.metrics.queued.fetch_sub(left, Ordering::Relaxed);
    }

    fn begin_rows(&mut self) {
        while self.batcher.free() > 0 {
            let Some((job, _)) = self.waiting.front() else { return };
            let past_bytes = self.past_bytes_of(job);
            let taken: u64 = self.rows.values().map(|row| row.past_bytes).sum();
            // Others end, and who came first is next.
            if !self.rows.is_empty() && taken.saturating_add(past_bytes) > self.past_bytes {
                return;
            }
            // The place in the queue is free with the row that is taken.
            let Some((job, _place)) = self.waiting.pop_front() else { return };
            self.metrics.queued.fetch_sub(1, Ordering::Relaxed);
            if past_bytes > self.past_bytes {
                let most = self.past_bytes;
                let why =
                    format!("prompt and answer may take {past_bytes} bytes of memory here; at most {most} are given");
                job.answer.end(Err(NoAnswer::Refused(why)));
                continue;
            }
            let Job { adapter, prompt, settings, stop, is_dialogue, received, answer } = job;
            match self.batcher.add(Request { adapter, prompt, settings }) {
                Ok(id) => {
                    let of = if is_dialogue { TextStream::of_answer } else { TextStream::of_text };
                    let text = of(self.tokenizer.clone(), &stop);
                    self.metrics.rows.fetch_add(1, Ordering::Relaxed);
                    self.rows.insert(id, Row { text, answer, received, last_token: None, past_bytes });
                }
                Err(error) => answer.end(Err(NoAnswer::Refused(error.to_string()))),
            }
        }
    }

    /// Bytes that keys and values of prompt and answer come to take at most.
    fn past_bytes_of(&self, job: &Job) -> u64 {
        /// Memory is taken for 32 tokens at a time, and an eighth in advance.
        const PANEL: usize = 32;
        let tokens = (job.prompt.len() + job.settings.max_new_tokens).next_multiple_of(PANEL);
        let bytes = tokens.saturating_mul(self.batcher.model().past_bytes_per_token());
        (bytes + bytes / 8) as u64
    }

    fn drop_row(&mut self, id: RowId) -> Option<Row> {
        let row = self.rows.remove(&id);
        if row.is_some() {
            self.metrics.rows.fetch_sub(1, Ordering::Relaxed);
        }
        row
    }

    fn take(&mut self, Event { row: id, token, ending }: Event) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let said = token.map_or(Ok(()), |token| row.say(token, &self.metrics));
        let end = match (said, ending) {
            (Err(error), _) => Err(NoAnswer::Failed(error)),
            (Ok(()), _) if row.text.is_stopped() => Ok(Ending::Stop),
            (Ok(()), Some(ending)) => ending.map_err(|error: GenerateError| NoAnswer::Failed(error.to_string())),
            (Ok(()), None) => return,
        };
        self.batcher.remove(id);
        if let Some(row) = self.drop_row(id) {
            row.end(end);
        }
    }
}

impl Row {
    fn say(&mut self, token: u32, metrics: &Metrics) -> Result<(), String> {
        let now = Instant::now();
        match self.last_token.replace(now) {
            None => metrics.to_first_token.observe(now - self.received),
            Some(before) => metrics.per_token.observe(now - before),
        }
        let text = self.text.push(token).map_err(|error| error.to_string())?;
        self.answer.add(&text, 1);
        Ok(())
    }

    /// Gives what was held back, and the end.
    fn end(self, end: End) {
        let Self { text, answer, .. } = self;
        let end = match (text.finish(), end) {
            (Ok((rest, stopped)), Ok(ending)) => {
                answer.add(&rest, 0);
                Ok(if stopped { Ending::Stop } else { ending })
            }
            (Err(error), Ok(_)) => Err(NoAnswer::Failed(error.to_string())),
            (_, Err(error)) => Err(error),
        };
        answer.end(end);
    }
}
