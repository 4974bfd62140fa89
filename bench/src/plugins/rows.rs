//! Rows per second of a redaction: native, as a plugin on one core, and on two.

use std::time::Instant;

use freehold_core::batch::{Batch, Column, ColumnData, TextColumn};
use freehold_sdk::Transform as _;
use redact_words::{RedactWords, Settings};

use crate::setup::{Failure, Setup, best};

const ROWS: usize = 200_000;
/// As in a run.
const BATCH_ROWS: usize = 1024;
const ROUNDS: usize = 7;

/// Rows per second.
pub(crate) struct Rates {
    pub(crate) native: f64,
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

pub(crate) fn measure(setup: &Setup) -> Result<Rates, Failure> {
    let texts = texts();
    let rate = |seconds: f64| ROWS as f64 / seconds;
    let batches = native_batches(&texts)?;
    let native = best(ROUNDS, || {
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
        let started = Instant::now();
        let mut rows = 0;
        plugin.transform_all(&grants, 2, batches.iter().map(Ok::<_, Failure>), |outcome| {
            rows += outcome.batch.rows();
            Ok(())
        })?;
        assert_eq!(rows, ROWS);
        Ok(started.elapsed().as_secs_f64())
    })?;
    Ok(Rates { native: rate(native), plugin: rate(one), two_cores: rate(two) })
}
