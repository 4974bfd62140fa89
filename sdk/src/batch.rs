//! Batches: some rows of a dataset as named columns, checked on the way in.

use crate::bindings::shared::freehold::types::types as raw;
pub use crate::dialogues::{Dialogues, Role};
pub use crate::texts::{Edits, Texts};

/// Some rows of a dataset.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Batch {
    first_row: u64,
    rows: usize,
    columns: Vec<Column>,
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    name: String,
    values: Values,
    validity: Option<Vec<u8>>,
}

/// The values of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Texts.
    Text(Texts),
    /// Dialogues.
    Dialogue(Dialogues),
    /// Numbers.
    Numbers(Vec<f64>),
    /// Truth values.
    Booleans(Vec<bool>),
}

impl Values {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(texts) => texts.len(),
            Self::Dialogue(dialogues) => dialogues.len(),
            Self::Numbers(numbers) => numbers.len(),
            Self::Booleans(booleans) => booleans.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Text(texts) => Self::Text(texts.take(rows)),
            Self::Dialogue(dialogues) => Self::Dialogue(dialogues.take(rows)),
            Self::Numbers(numbers) => Self::Numbers(rows.iter().map(|&row| numbers[row]).collect()),
            Self::Booleans(booleans) => Self::Booleans(rows.iter().map(|&row| booleans[row]).collect()),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Dialogue(_) => "dialogues",
            Self::Numbers(_) => "numbers",
            Self::Booleans(_) => "booleans",
        }
    }
}

impl Column {
    /// A column in which every row has a value.
    pub fn new(name: impl Into<String>, values: Values) -> Self {
        Self { name: name.into(), values, validity: None }
    }

    /// The same column with the rows named holding no value.
    #[must_use]
    pub fn with_nulls(mut self, nulls: &[usize]) -> Self {
        let mut validity = vec![0xff; self.values.len().div_ceil(8)];
        for &row in nulls {
            validity[row / 8] &= !(1u8 << (row % 8));
        }
        self.validity = Some(validity);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its values. A row without a value holds something here too, usually empty: ask [`is_null`](Self::is_null).
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Whether row `row` has no value.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.validity.as_ref().is_some_and(|bits| bits[row / 8] & (1 << (row % 8)) == 0)
    }

    /// All texts of a text or dialogue column, to be edited in place, row by row or message by message.
    ///
    /// # Errors
    /// If the column holds neither.
    pub fn texts_mut(&mut self) -> Result<&mut Texts, String> {
        match &mut self.values {
            Values::Text(texts) => Ok(texts),
            Values::Dialogue(dialogues) => Ok(dialogues.texts_mut()),
            other => Err(format!("column `{}` holds {}, not text", self.name, other.kind())),
        }
    }

    fn take(&self, rows: &[usize]) -> Self {
        let taken = Self::new(self.name.clone(), self.values.take(rows));
        if self.validity.is_none() {
            return taken;
        }
        let nulls: Vec<usize> =
            rows.iter().enumerate().filter(|&(_, &row)| self.is_null(row)).map(|(new, _)| new).collect();
        taken.with_nulls(&nulls)
    }

    fn from_raw(column: raw::Column, rows: usize) -> Result<Self, String> {
        let values = match column.data {
            raw::ColumnData::Text(texts) => Texts::from_raw(texts).map(Values::Text),
            raw::ColumnData::Dialogue(dialogues) => Dialogues::from_raw(dialogues).map(Values::Dialogue),
            raw::ColumnData::Numbers(numbers) => Ok(Values::Numbers(numbers)),
            raw::ColumnData::Booleans(bytes) if bytes.iter().any(|&byte| byte > 1) => {
                Err("a boolean is neither 0 nor 1".to_owned())
            }
            raw::ColumnData::Booleans(bytes) => Ok(Values::Booleans(bytes.into_iter().map(|byte| byte == 1).collect())),
        }
        .map_err(|error| format!("column `{}`: {error}", column.name))?;
        if values.len() != rows {
            return Err(format!("column `{}` has {} rows, the batch has {rows}", column.name, values.len()));
        }
        if column.validity.as_ref().is_some_and(|bits| bits.len() != rows.div_ceil(8)) {
            return Err(format!("column `{}`: validity has the wrong length", column.name));
        }
        Ok(Self { name: column.name, values, validity: column.validity })
    }

    fn into_raw(self) -> raw::Column {
        let data = match self.values {
            Values::Text(texts) => raw::ColumnData::Text(texts.into_raw()),
            Values::Dialogue(dialogues) => raw::ColumnData::Dialogue(dialogues.into_raw()),
            Values::Numbers(numbers) => raw::ColumnData::Numbers(numbers),
            Values::Booleans(booleans) => raw::ColumnData::Booleans(booleans.into_iter().map(u8::from).collect()),
        };
        raw::Column { name: self.name, data, validity: self.validity }
    }
}

impl Batch {
    /// A batch of columns that all have the same number of rows.
    ///
    /// # Errors
    /// If they do not.
    pub fn new(first_row: u64, columns: Vec<Column>) -> Result<Self, String> {
        let rows = columns.first().map_or(0, |column| column.values.len());
        let mut batch = Self { first_row, rows, columns: Vec::with_capacity(columns.len()) };
        for column in columns {
            batch.set(column)?;
        }
        Ok(batch)
    }

    /// Number of the first row in the stream.
    #[must_use]
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column named `name`.
    ///
    /// # Errors
    /// If there is none; the message names those that there are.
    pub fn column(&self, name: &str) -> Result<&Column, String> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| self.no_column(name))
    }

    /// The column named `name`, to be changed.
    ///
    /// # Errors
    /// If there is none; the message names those that there are.
    pub fn column_mut(&mut self, name: &str) -> Result<&mut Column, String> {
        match self.columns.iter().position(|column| column.name == name) {
            Some(at) => Ok(&mut self.columns[at]),
            None => Err(self.no_column(name)),
        }
    }

    /// The text column named `name`.
    ///
    /// # Errors
    /// If there is none or it holds no text.
    pub fn text(&self, name: &str) -> Result<&Texts, String> {
        match &self.column(name)?.values {
            Values::Text(texts) => Ok(texts),
            other => Err(format!("column `{name}` holds {}, not text", other.kind())),
        }
    }

    /// The dialogue column named `name`.
    ///
    /// # Errors
    /// If there is none or it holds no dialogues.
    pub fn dialogue(&self, name: &str) -> Result<&Dialogues, String> {
        match &self.column(name)?.values {
            Values::Dialogue(dialogues) => Ok(dialogues),
            other => Err(format!("column `{name}` holds {}, not dialogues", other.kind())),
        }
    }

    /// Replaces the column of that name, or adds it at the end.
    ///
    /// # Errors
    /// If its number of rows is not the batch's.
    pub fn set(&mut self, column: Column) -> Result<(), String> {
        if column.values.len() != self.rows {
            let (name, rows) = (&column.name, column.values.len());
            return Err(format!("column `{name}` has {rows} rows, the batch has {}", self.rows));
        }
        match self.columns.iter_mut().find(|other| other.name == column.name) {
            Some(other) => *other = column,
            None => self.columns.push(column),
        }
        Ok(())
    }

    /// Keeps the columns that `keep` says yes to.
    pub fn retain_columns(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.columns.retain(|column| keep(&column.name));
    }

    /// The rows named, in that order.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| column.take(rows)).collect();
        Self { first_row: self.first_row, rows: rows.len(), columns }
    }

    fn no_column(&self, name: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(Column::name).collect();
        format!("there is no column `{name}`; the columns are: {}", names.join(", "))
    }

    pub(crate) fn from_raw(batch: raw::Batch) -> Result<Self, String> {
        let rows = batch.rows as usize;
        let columns: Result<Vec<Column>, String> =
            batch.columns.into_iter().map(|column| Column::from_raw(column, rows)).collect();
        Ok(Self { first_row: batch.first_row, rows, columns: columns? })
    }

    pub(crate) fn into_raw(self) -> raw::Batch {
        raw::Batch {
            first_row: self.first_row,
            rows: crate::texts::position(self.rows),
            columns: self.columns.into_iter().map(Column::into_raw).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let texts = Column::new("text", Values::Text(["a", "b", "c"].into_iter().collect())).with_nulls(&[1]);
        Batch::new(7, vec![texts, Column::new("n", Values::Numbers(vec![1.0, 2.0, 3.0]))]).unwrap()
    }

    #[test]
    fn a_batch_survives_the_boundary() {
        assert_eq!(Batch::from_raw(batch().into_raw()).unwrap(), batch());
    }

    #[test]
    fn nulls_move_with_their_rows() {
        let taken = batch().take(&[2, 1]);
        assert_eq!(taken.text("text").unwrap().iter().collect::<Vec<_>>(), ["c", "b"]);
        assert!(!taken.column("text").unwrap().is_null(0));
        assert!(taken.column("text").unwrap().is_null(1));
    }

    #[test]
    fn errors_name_columns() {
        assert!(batch().text("tixt").unwrap_err().contains("text, n"));
        assert!(batch().text("n").unwrap_err().contains("numbers"));
        assert!(batch().set(Column::new("x", Values::Booleans(vec![true]))).is_err());
        let mut raw = batch().into_raw();
        raw.rows = 2;
        assert!(Batch::from_raw(raw).unwrap_err().contains("`text`"));
    }
}
