//! Rows per second of a redaction: native, as a plugin on one core, and on two.

use std::time::Instant;

use freehold_core::batch::{Batch, Column, ColumnData, TextColumn};
use freehold_sdk::Transform as _;
use redact_words::{RedactWords, Settings};

use crate::setup::{Failure, Setup, best};

const ROWS: usize = 600_000;
/// As in a run.
const BATCH_ROWS: usize = 1024;
const ROUNDS: usize = 5;

/// Rows per second.
pub(crate) struct Rates {
    /// In Rust as one writes it.
    pub(crate) native: f64,
    /// The plugin's own source, with its vectors, compiled for this machine.
    pub(crate) source_native: f64,
    pub(crate) plugin: f64,
    pub(crate) two_cores: f64,
}

/// The texts that the peer gets too.
fn texts() -> Vec<String> {
    let text = |k: usize| {
        format!(
            "Customer {k} wrote from user{k}@example.com about order {} and the delivery that was late by {} days, \
             please respond quickly to this message thanks",
            k * 7919 + 10000,
            k % 9
        )
    };
    (0..ROWS).map(text).collect()
}

fn host_batches(texts: &[String]) -> Result<Vec<Batch>, Failure> {
    let batch = |(at, texts): (usize, &[String])| {
        let column: TextColumn = texts.iter().map(String::as_str).collect();
        let column = Column { name: "text".into(), data: ColumnData::Text(column), validity: None };
        Ok(Batch::new((at * BATCH_ROWS) as u64, texts.len(), vec![column])?)
    };
    texts.chunks(BATCH_ROWS).enumerate().map(batch).collect()
}

fn native_batches(texts: &[String]) -> Result<Vec<freehold_sdk::batch::Batch>, Failure> {
    use freehold_sdk::batch::{Batch, Column, Values};
    let batch = |(at, texts): (usize, &[String])| {
        let column = Column::new("text", Values::Text(texts.iter().collect()));
        Ok(Batch::new((at * BATCH_ROWS) as u64, vec![column])?)
    };
    texts.chunks(BATCH_ROWS).enumerate().map(batch).collect()
}

/// The redaction as one writes it in Rust, from one column into another.
fn redact(texts: &TextColumn) -> TextColumn {
    let mut redacted = TextColumn::default();
    let mut row = String::new();
    for text in texts.iter() {
        row.clear();
        for (at, word) in text.split(' ').enumerate() {
            if at > 0 {
                row.push(' ');
            }
            row.push_str(match word {
                word if word.contains('@') => "[EMAIL]",
                word if word.bytes().filter(u8::is_ascii_digit).count() >= 4 => "[NUM]",
                word => word,
            });
        }
        redacted.push(&row);
    }
    redacted
}

pub(crate) fn measure(setup: &Setup) -> Result<Rates, Failure> {
    let texts = texts();
    let rate = |seconds: f64| ROWS as f64 / seconds;
    let columns: Vec<TextColumn> =
        texts.chunks(BATCH_ROWS).map(|texts| texts.iter().map(String::as_str).collect()).collect();
    let native = best(ROUNDS, || {
        let started = Instant::now();
        for column in &columns {
            std::hint::black_box(redact(column));
        }
        Ok(started.elapsed().as_secs_f64())
    })?;
    let batches = native_batches(&texts)?;
    let source_native = best(ROUNDS, || {
        let mut plugin = RedactWords::new(Settings {})?;
        let batches = batches.clone();
        let started = Instant::now();
        for batch in batches {
            std::hint::black_box(plugin.process(batch)?);
        }
        Ok(started.elapsed().as_secs_f64())
    })?;
    let plugin = setup.load("redact-words")?;
    let grants = Setup::grants(&plugin, "")?;
    let batches = host_batches(&texts)?;
    let one = best(ROUNDS, || {
        let mut running = plugin.transform(grants.clone())?;
        let started = Instant::now();
        for batch in &batches {
            std::hint::black_box(running.process(batch)?);
        }
        running.finish()?;
        Ok(started.elapsed().as_secs_f64())
    })?;
    let two = best(ROUNDS, || {
        let batches = batches.clone();
        let started = Instant::now();
        let mut rows = 0;
        plugin.transform_all(&grants, 2, batches.into_iter().map(Ok::<_, Failure>), |outcome| {
            rows += outcome.batch.rows();
            Ok(())
        })?;
        assert_eq!(rows, ROWS);
        Ok(started.elapsed().as_secs_f64())
    })?;
    Ok(Rates { native: rate(native), source_native: rate(source_native), plugin: rate(one), two_cores: rate(two) })
}
