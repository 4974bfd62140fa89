//! A transform that does whatever a hostile plugin would do: the setting `mode` says what.
//!
//! The SDK's types refuse most of it, so this plugin implements the generated `Guest` trait itself.

use freehold_sdk::Attribute;
use freehold_sdk::bindings::RawBatch;
use freehold_sdk::bindings::shared::freehold::types::types::{Column, ColumnData, TextColumn};
use freehold_sdk::bindings::transform::exports::freehold::transform::transform::{
    Description, DroppedRow, Guest, Outcome,
};

/// Bytes that mode `log` writes; the host must stop it long before.
const FLOOD: usize = 1 << 30;

/// Bytes that mode `output` returns unless the setting `bytes` says otherwise.
const OUTPUT: usize = 16 << 20;

/// The plugin.
pub struct Misbehave;

impl Guest for Misbehave {
    fn describe() -> Result<Description, String> {
        Ok(Description { reads: Vec::new(), writes: Vec::new(), rows_independent: true })
    }

    fn process(batch: RawBatch) -> Result<Outcome, String> {
        freehold_sdk::platform::announce_panics();
        misbehave(&mode(), batch)
    }

    fn finish() -> Result<Outcome, String> {
        Ok(pass(RawBatch { first_row: 0, rows: 0, columns: Vec::new() }))
    }
}

/// A setting, read by hand: a parser has no part in what is tested here.
fn setting(key: &str) -> Option<String> {
    let settings = freehold_sdk::platform::settings();
    let value = settings.lines().find_map(|line| line.trim().strip_prefix(key)?.trim().strip_prefix('='));
    value.map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
}

fn mode() -> String {
    setting("mode").unwrap_or_else(|| "pass".to_owned())
}

fn bytes() -> usize {
    setting("bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(OUTPUT)
}

#[expect(clippy::panic, reason = "a trap is what the mode is for")]
fn misbehave(mode: &str, batch: RawBatch) -> Result<Outcome, String> {
    let rows = u64::from(batch.rows);
    let mut outcome = pass(batch);
    match mode {
        "pass" => {}
        "trap" => panic!("misbehave traps on {rows} rows"),
        "loop" => forever(),
        "memory" => return Err(format!("misbehave was given {} bytes", take_memory())),
        "shape" => texts(&mut outcome.batch)?.offsets.push(7),
        "lineage" => outcome.origins.iter_mut().for_each(|origin| *origin += 1_000_000_000),
        "lose" => lose_last_row(&mut outcome),
        "output" => swell(texts(&mut outcome.batch)?, bytes()),
        "log" => flood(),
        "error" => return Err("misbehave was told to err".to_owned()),
        "utf8" => {
            let column = texts(&mut outcome.batch)?;
            match column.bytes.first_mut() {
                Some(first) => *first = 0xff,
                None => return Err("misbehave needs a row that is not empty".to_owned()),
            }
        }
        // Behaves: uses what it was granted, and asks for what it was not.
        "asset" => match (freehold_sdk::platform::asset("glossary"), freehold_sdk::platform::asset("secrets")) {
            (Some(bytes), None) => outcome.counts.push(Attribute::integer("glossary-bytes", bytes.len() as i64)),
            (Some(_), Some(_)) => return Err("misbehave was given more than it was granted".to_owned()),
            (None, _) => return Err("misbehave was granted no glossary".to_owned()),
        },
        // A row told of twice.
        "twice" => outcome
            .dropped
            .extend(outcome.origins.first().map(|&row| DroppedRow { row, reason: "misbehave".to_owned() })),
        other => return Err(format!("misbehave knows no mode `{other}`")),
    }
    Ok(outcome)
}

fn pass(batch: RawBatch) -> Outcome {
    Outcome {
        origins: (batch.first_row..).take(batch.rows as usize).collect(),
        counts: vec![Attribute::integer("rows", i64::from(batch.rows))],
        dropped: Vec::new(),
        batch,
    }
}

fn texts(batch: &mut RawBatch) -> Result<&mut TextColumn, String> {
    let texts = batch.columns.iter_mut().find_map(|column| match column {
        Column { data: ColumnData::Text(texts), .. } => Some(texts),
        _ => None,
    });
    texts.ok_or_else(|| "misbehave needs a text column".to_owned())
}

/// Takes the last row out of the batch without a word; the batch itself stays well formed.
fn lose_last_row(outcome: &mut Outcome) {
    let Some(rows) = outcome.batch.rows.checked_sub(1) else { return };
    outcome.batch.rows = rows;
    outcome.origins.pop();
    outcome.batch.columns.retain_mut(|column| match &mut column.data {
        ColumnData::Text(texts) => {
            texts.offsets.pop();
            texts.bytes.truncate(texts.offsets.last().map_or(0, |&end| end as usize));
            column.validity = None;
            true
        }
        _ => false,
    });
}

/// Takes memory until none is given, and touches it, so that it counts.
fn take_memory() -> usize {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut more = Vec::new();
        if more.try_reserve_exact(1 << 20).is_err() {
            return taken.len() << 20;
        }
        more.resize(1 << 20, 1);
        taken.push(more);
    }
}

/// Makes the last row long; the batch stays well formed.
fn swell(texts: &mut TextColumn, bytes: usize) {
    texts.bytes.resize(bytes, b'x');
    if let (Some(end), Ok(bytes)) = (texts.offsets.last_mut(), u32::try_from(bytes)) {
        *end = bytes;
    }
}

fn flood() {
    let line = "misbehave ".repeat(100);
    for _ in 0..FLOOD / line.len() {
        freehold_sdk::log::info(&line);
    }
}

fn forever() {
    let mut turns = 0u64;
    // `black_box` keeps the compiler from seeing that nothing ever comes of it.
    while std::hint::black_box(turns) < u64::MAX {
        turns = turns.wrapping_add(1) % 1_000;
    }
}

freehold_sdk::export_transform_for_wasm!(Misbehave);

#[cfg(test)]
mod tests {
    use super::{TextColumn, misbehave};
    use freehold_sdk::bindings::RawBatch;
    use freehold_sdk::bindings::shared::freehold::types::types::{Column, ColumnData};

    fn batch() -> RawBatch {
        let data = ColumnData::Text(TextColumn { offsets: vec![0, 1, 2], bytes: b"ab".to_vec() });
        RawBatch { first_row: 5, rows: 2, columns: vec![Column { name: "text".to_owned(), data, validity: None }] }
    }

    #[test]
    fn the_modes_do_what_they_say() {
        let pass = misbehave("pass", batch()).unwrap();
        assert_eq!((pass.batch, pass.origins), (batch(), vec![5, 6]));
        assert_eq!(misbehave("lineage", batch()).unwrap().origins, [1_000_000_005, 1_000_000_006]);
        let lost = misbehave("lose", batch()).unwrap();
        assert_eq!((lost.batch.rows, lost.origins.len(), lost.dropped.len()), (1, 1, 0));
        assert_ne!(misbehave("shape", batch()).unwrap().batch, batch());
        assert_ne!(misbehave("utf8", batch()).unwrap().batch, batch());
        assert!(misbehave("error", batch()).is_err());
        assert!(misbehave("nonsense", batch()).is_err());
        assert_eq!(misbehave("twice", batch()).unwrap().dropped[0].row, 5);
    }
}
