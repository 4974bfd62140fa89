//! Batches in parts that lie: the host's reading and the SDK's, and that they agree.

use std::cell::Cell;

use arbitrary::{Arbitrary as _, Unstructured};
use freehold_core::batch::{Batch, ColumnData, ROLES, ShapeError};
use freehold_sdk::bindings::shared::freehold::types::types as raw;
use freehold_sdk::instance::Instance;
use freehold_sdk::transform::{Description, Outcome};
use freehold_sdk::{Transform, batch as sdk};

use crate::parts::{BatchParts, ColumnParts, DataParts, Lies, TextParts};

/// Reads lying parts from bytes and hands them to both sides.
pub fn run(data: &[u8]) {
    let Ok(lies) = Lies::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let parts = lies.parts();
    let checked = parts.checked();
    if let Ok(batch) = &checked {
        is_sound(batch);
        // Bit by bit the same, so that a number that is negative zero stays one.
        assert_eq!(format!("{:?}", BatchParts::of(batch)), format!("{parts:?}"));
    }
    // A guest that gets more rows than it can count in memory traps; that is not what is tried here.
    if parts.columns.is_empty() && parts.rows > 1_000 {
        return;
    }
    match (&checked, to_sdk(&parts)) {
        (Ok(_), Ok(())) => {}
        (Ok(batch), Err(error)) => panic!("the host hands out what the SDK refuses: {error}\n{batch:?}"),
        // What the SDK leaves to the host: it matters for records and for people, not for memory.
        (
            Err(
                ShapeError::Name { .. }
                | ShapeError::SameName(_)
                | ShapeError::Role { .. }
                | ShapeError::NotFinite { .. },
            ),
            _,
        ) => {}
        (Err(error), said) => {
            assert!(!error.to_string().is_empty());
            assert!(said.is_err(), "the SDK reads what the host refuses: {error}");
        }
    }
}

/// Every value of a checked batch can be looked at, and those beyond its rows are none.
pub(crate) fn is_sound(batch: &Batch) {
    for column in batch.columns() {
        assert_eq!(column.data.rows(), batch.rows());
        assert!(column.validity.as_ref().is_none_or(|bits| bits.len() == batch.rows().div_ceil(8)));
        assert!(batch.column(&column.name).is_some());
        for row in 0..batch.rows() {
            let _ = column.is_valid(row);
        }
        match &column.data {
            ColumnData::Text(texts) => {
                let total: usize = (0..batch.rows()).map(|row| texts.get(row).expect("a row of text").len()).sum();
                assert_eq!(total, texts.as_parts().1.len(), "every byte belongs to a row");
                assert_eq!((texts.get(batch.rows()), texts.get(usize::MAX - 1)), (None, None));
            }
            ColumnData::Dialogue(dialogues) => {
                let (_, roles, texts) = dialogues.as_parts();
                let messages: Vec<_> = (0..batch.rows()).flat_map(|row| dialogues.get(row)).collect();
                assert_eq!((messages.len(), roles.len()), (texts.len(), texts.len()), "every message belongs to a row");
                assert!(messages.iter().all(|(role, _)| ROLES.contains(role)));
                assert!(dialogues.get(batch.rows()).is_empty());
            }
            ColumnData::Numbers(numbers) => assert!(numbers.iter().all(|number| number.is_finite())),
            ColumnData::Booleans(bytes) => assert!(bytes.iter().all(|byte| *byte <= 1)),
        }
    }
}

/// Takes parts as a plugin gets them from the host.
fn to_sdk(parts: &BatchParts) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Nothing {}

    /// Looks at everything that it is given, and gives it back.
    struct Look;

    impl Transform for Look {
        type Settings = Nothing;

        fn new(_: Nothing) -> Result<Self, String> {
            Ok(Self)
        }

        fn describe(&self) -> Description {
            Description::rows_together()
        }

        fn process(&mut self, mut batch: sdk::Batch) -> Result<Outcome, String> {
            look(&batch);
            let backwards: Vec<usize> = (0..batch.rows()).rev().collect();
            assert_eq!(batch.take(&backwards).take(&backwards).rows(), batch.rows());
            edit(&mut batch);
            let origins = vec![0; batch.rows()];
            LOOKED.set(true);
            Outcome::from_origins(batch, origins)
        }
    }

    thread_local! {
        static LOOKED: Cell<bool> = const { Cell::new(false) };
    }

    LOOKED.set(false);
    let processed = freehold_sdk::transform::process(&Instance::<Look>::new(), lend(parts));
    assert_eq!(processed.is_ok(), LOOKED.get(), "what was looked at comes back");
    let returned = processed?.batch;
    assert_eq!((returned.first_row, returned.rows), (parts.first_row, parts.rows));
    assert_eq!(returned.columns.len(), parts.columns.len());
    Ok(())
}

fn look(batch: &sdk::Batch) {
    for column in batch.columns() {
        assert_eq!(column.values().len(), batch.rows());
        for row in 0..batch.rows() {
            let _ = column.is_null(row);
        }
        match column.values() {
            sdk::Values::Text(texts) => {
                let total: usize = (0..batch.rows()).map(|row| texts.get(row).len()).sum();
                assert_eq!(total, texts.bytes());
                assert_eq!(texts.iter().count(), batch.rows());
            }
            sdk::Values::Dialogue(dialogues) => {
                for row in 0..batch.rows() {
                    assert!(dialogues.messages(row).all(|(role, text)| role.len() + text.len() < usize::MAX));
                }
            }
            sdk::Values::Numbers(_) | sdk::Values::Booleans(_) => {}
        }
    }
}

/// Puts a letter in the place of every first character; no row's end moves into a character.
fn edit(batch: &mut sdk::Batch) {
    let names: Vec<String> = batch.columns().iter().map(|column| column.name().to_owned()).collect();
    for name in names {
        let Ok(texts) = batch.column_mut(&name).and_then(sdk::Column::texts_mut) else { continue };
        let rows = texts.len();
        texts.edit(|row, edits| {
            if let Some(first) = row.chars().next() {
                edits.replace(0..first.len_utf8(), "é");
            }
        });
        assert_eq!(texts.len(), rows);
        assert!(texts.iter().all(|row| row.is_empty() || row.starts_with('é')));
    }
}

fn lend(parts: &BatchParts) -> raw::Batch {
    let texts = |texts: &TextParts| raw::TextColumn { offsets: texts.offsets.clone(), bytes: texts.bytes.clone() };
    let column = |column: &ColumnParts| raw::Column {
        name: column.name.clone(),
        data: match &column.data {
            DataParts::Text(column) => raw::ColumnData::Text(texts(column)),
            DataParts::Dialogue(offsets, roles, said) => {
                let (offsets, roles, texts) = (offsets.clone(), texts(roles), texts(said));
                raw::ColumnData::Dialogue(raw::DialogueColumn { offsets, roles, texts })
            }
            DataParts::Numbers(numbers) => raw::ColumnData::Numbers(numbers.clone()),
            DataParts::Booleans(bytes) => raw::ColumnData::Booleans(bytes.clone()),
        },
        validity: column.validity.clone(),
    };
    let columns = parts.columns.iter().map(column).collect();
    raw::Batch { first_row: parts.first_row, rows: parts.rows, columns }
}
