//! Tables that strangers wrote: what is read of one can be written and is a table again, or the error can be shown.

use freehold_core::batch::{Batch, ColumnData};
use freehold_rows::{BatchBuilder, Form, MESSAGES, Origin, ReadError, Schema, TableError, write_rows};

use crate::batch::is_sound;

/// More rows than anything hides behind.
const ROWS_MAX: u64 = 10_000;

/// What was read of a table.
#[derive(Debug, PartialEq)]
pub(crate) struct Table {
    batches: Vec<Batch>,
    rows: u64,
    form: Result<(Form, Origin), String>,
    schema: Schema,
}

/// Reads the rows that `next` adds, until there is none.
pub(crate) fn rows(
    mut next: impl FnMut(&mut BatchBuilder) -> Result<bool, ReadError<String>>,
) -> Result<Table, TableError> {
    let (mut builder, mut batches, mut rows) = (BatchBuilder::default(), Vec::new(), 0);
    loop {
        match next(&mut builder) {
            Ok(true) => rows += 1,
            Ok(false) => break,
            Err(ReadError::Table(error)) => return Err(error),
            Err(ReadError::Source(error)) => panic!("the source does not fail: {error}"),
        }
        if builder.is_full() {
            batches.extend(builder.take().expect("what was taken in has a shape"));
        }
        if rows == ROWS_MAX {
            break;
        }
    }
    assert_eq!(builder.rows(), rows);
    let (form, schema) = (builder.form().map_err(|error| error.to_string()), builder.schema());
    batches.extend(builder.take().expect("what was taken in has a shape"));
    Ok(Table { batches, rows, form, schema })
}

/// Reads twice, and looks at what was read.
pub(crate) fn look(read: impl Fn() -> Result<Table, TableError>) {
    let table = read();
    assert_eq!(table, read(), "what is read twice is the same");
    let table = match table {
        Ok(table) => table,
        Err(error) => {
            let shown = error.to_string();
            assert!(!error.problem.is_empty() && !error.expected.is_empty() && shown.len() < 4_000, "{shown}");
            return;
        }
    };
    assert_eq!(table.batches.iter().map(|batch| batch.rows() as u64).sum::<u64>(), table.rows);
    for batch in table.batches {
        is_sound(&batch);
        let mut lines = 0;
        let written: Result<(), ()> = write_rows(&batch, |line| {
            assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok());
            lines += 1;
            Ok(())
        });
        assert_eq!((written, lines), (Ok(()), batch.rows()));
        if let Ok((form, origin)) = &table.form {
            let (rows, schema) = (batch.rows(), origin.schema(&table.schema));
            let batch = origin.normalise(batch, &schema).expect("a table of this size fits");
            is_sound(&batch);
            assert_eq!((batch.rows(), batch.columns().len()), (rows, schema.len()));
            let messages = batch.column(MESSAGES).filter(|column| matches!(column.data, ColumnData::Dialogue(_)));
            let all = messages.is_some_and(|column| (0..rows).all(|row| column.is_valid(row)));
            assert!(all || *form == Form::Columns, "every row has a dialogue");
        }
    }
}
